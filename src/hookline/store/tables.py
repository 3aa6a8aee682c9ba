"""The tables; their names carry a prefix, since others may keep tables in the same database."""

from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.elements import TextClause

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(TypeDecorator[Any]):
    """A JSON document kept as text, so that both databases hold the same bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Encode."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Decode."""
        return None if value is None else orjson.loads(value)


def _only(where: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """An index's options for the rows that it is limited to, on both databases."""
    return {"sqlite_where": where, "postgresql_where": where}


# SQLite gives ascending row ids only to a column declared exactly INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")


def _name(length: int) -> String:
    # Compared byte by byte on both databases, whatever a server's locale would have.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


Name = _name(100)

credentials = Table(
    "hookline_credentials",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("description", String(200), nullable=False),
    Column("last_used", Float),
)

pipelines = Table(
    "hookline_pipelines",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("account", "region", "name", name="uq_hookline_pipelines_scope"),
    sqlite_autoincrement=True,
)

pipeline_versions = Table(
    "hookline_pipeline_versions",
    metadata,
    Column("pipeline_id", BigInteger, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("declaration", Json, nullable=False),
    Column("created_at", Float, nullable=False),
)

webhooks = Table(
    "hookline_webhooks",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", Name, nullable=False),
    Column("target_pipeline", String(100), nullable=False),
    Column("target_action", String(100), nullable=False),
    Column("filters", Json, nullable=False),
    Column("authentication", String(20), nullable=False),
    Column("allowed_ip_range", String(100)),
    Column("secret_sealed", LargeBinary),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("token_sealed", LargeBinary, nullable=False),
    Column("last_triggered", Float),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("github_hook_id", BigInteger),
    Column("github_repository", String(201)),
    UniqueConstraint("account", "region", "name", name="uq_hookline_webhooks_scope"),
    sqlite_autoincrement=True,
)

# A deleted one keeps its row: its version can't be used for another, and it can be restored.
action_types = Table(
    "hookline_action_types",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("category", String(35), primary_key=True),
    Column("provider", String(35), primary_key=True),
    Column("version", String(35), primary_key=True),
    Column("definition", Json, nullable=False),
    Column("deleted", Boolean, nullable=False),
)

tags = Table(
    "hookline_tags",
    metadata,
    Column("arn", String(300), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)

build_projects = Table(
    "hookline_build_projects",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("name", _name(150), primary_key=True),
    # In the API's shape, without name and tags.
    Column("definition", Json, nullable=False),
    # How many builds it has had: the number of the last one.
    Column("builds_started", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# A build outlives its project.
builds = Table(
    "hookline_builds",
    metadata,
    # Of version 7, so builds sort by when they started.
    Column("uuid", _name(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("project_name", _name(150), nullable=False),
    Column("number", BigInteger, nullable=False),
    # What it runs: the project's definition, with what the start of the build overrides.
    Column("definition", Json, nullable=False),
    Column("initiator", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("current_phase", String(20), nullable=False),
    Column("source_version", Text),
    Column("resolved_source_version", Text),
    Column("phases", Json, nullable=False),
    Column("artifacts", Json, nullable=False),
    Column("exported_variables", Json),
    # The action of a pipeline that it is for; null for one that was started by itself.
    Column("action_execution_id", String(36)),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Index("ix_hookline_builds_scope", "account", "region", "uuid"),
    Index("ix_hookline_builds_project", "account", "region", "project_name", "number"),
)
for _column in (builds.c.action_execution_id, builds.c.ended_at):
    Index(f"ix_hookline_builds_{_column.name}", _column, **_only(_column.is_not(None)))

executions = Table(
    "hookline_executions",
    metadata,
    Column("sequence", BigId, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("pipeline_version", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("mode", String(12), nullable=False),
    Column("trigger_type", String(40), nullable=False),
    Column("trigger_detail", Text, nullable=False),
    Column("client_request_token", String(128)),
    Column("source_revisions", Json, nullable=False),
    # Name to value; null where the pipeline declares none.
    Column("variables", Json),
    Column("stage_name", String(100), nullable=False),
    Column("in_stage", Boolean, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("status_summary", Text),
    # Whether a stop abandons what runs; null while nobody has asked for a stop.
    Column("abandon", Boolean),
    Column("stop_reason", Text),
    # The execution that a rollback repeats in one stage; null for all others.
    Column("rollback_target", String(36)),
    Index("ix_hookline_executions_pipeline", "pipeline_id", "sequence"),
    sqlite_autoincrement=True,
)
# Literal, since a database uses a partial index only for a condition it can compare with its own.
is_active = text("hookline_executions.status IN ('InProgress', 'Stopping')")
Index(
    "ix_hookline_executions_active",
    executions.c.pipeline_id,
    **_only(text("status IN ('InProgress', 'Stopping')")),
)
has_ended = text("hookline_executions.status NOT IN ('InProgress', 'Stopping')")
Index(
    "ix_hookline_executions_ended",
    executions.c.updated_at,
    executions.c.id,
    **_only(text("status NOT IN ('InProgress', 'Stopping')")),
)
Index(
    "ix_hookline_executions_request_token",
    executions.c.pipeline_id,
    executions.c.client_request_token,
    unique=True,
    **_only(executions.c.client_request_token.is_not(None)),
)

# The source revisions of executions, to be found by what they are.
source_revisions = Table(
    "hookline_source_revisions",
    metadata,
    # SHA-256 over the pipeline, the action and the revision's id.
    Column("key", LargeBinary(32), primary_key=True),
    Column("execution_id", String(36), primary_key=True),
    Index("ix_hookline_source_revisions_execution", "execution_id"),
)

stage_executions = Table(
    "hookline_stage_executions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("execution_id", String(36), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("stage_name", String(100), nullable=False),
    Column("status", String(12), nullable=False),
    # The actions that a retry leaves as they ended before; null runs all.
    Column("done_before", Json),
    # How often failed actions were retried while others of the stage still ran.
    Column("retries", Integer, nullable=False),
    # Who had it run again; null for the first run of a stage in an execution, and for an override.
    Column("retry_trigger", String(20)),
    # Whether it is entered although its entry condition failed before.
    Column("entry_overridden", Boolean, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_hookline_stage_executions_execution", "execution_id"),
    Index("ix_hookline_stage_executions_stage", "pipeline_id", "stage_name", "started_at", "id"),
)
has_succeeded = text("hookline_stage_executions.status = 'Succeeded'")
Index(
    "ix_hookline_stage_executions_succeeded",
    stage_executions.c.pipeline_id,
    stage_executions.c.stage_name,
    stage_executions.c.execution_id,
    **_only(text("status = 'Succeeded'")),
)
# Literal, for the same reason as `is_active`.
is_in_progress = text("hookline_stage_executions.status = 'InProgress'")
Index(
    "ix_hookline_stage_executions_in_progress",
    stage_executions.c.pipeline_id,
    **_only(text("status = 'InProgress'")),
)

# Actions of stages, and rules of their conditions. A row that is InProgress and neither owned nor
# waiting is one that a node may take.
action_executions = Table(
    "hookline_action_executions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("stage_execution_id", String(36), nullable=False),
    Column("execution_id", String(36), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("pipeline_version", Integer, nullable=False),
    Column("stage_name", String(100), nullable=False),
    Column("action_name", String(100), nullable=False),
    Column("status", String(12), nullable=False),
    # The condition whose rule it is; null for an action.
    Column("condition_type", String(12)),
    # The retry of failed actions, within its stage execution, that inserted it; 0 for none.
    Column("retry", Integer, nullable=False),
    # The label of the nodes that may run it.
    Column("label", String(100), nullable=False),
    # The instance of the node that runs it; null while nobody does.
    Column("owner", String(36)),
    # How often a node has taken it. Together with the owner it says whose outcome counts.
    Column("attempt", Integer, nullable=False),
    # Needed to end an action that waits for a person or a job worker.
    Column("token", String(36)),
    # It waits, and nobody runs it; null otherwise.
    Column("waits_until", Float),
    Column("updated_by", Text),
    Column("inputs", Json, nullable=False),
    # The configuration values that held references, as they were resolved.
    Column("resolved", Json),
    Column("outputs", Json),
    Column("summary", Text),
    Column("external_id", Text),
    Column("external_url", Text),
    Column("percent_complete", Integer),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("variables", Json),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_hookline_action_executions_execution", "execution_id", "started_at"),
)
is_action = text("condition_type IS NULL")
Index(
    "ix_hookline_action_executions_actions",
    action_executions.c.pipeline_id,
    action_executions.c.started_at,
    action_executions.c.id,
    **_only(is_action),
)
Index(
    "ix_hookline_action_executions_action",
    action_executions.c.pipeline_id,
    action_executions.c.stage_name,
    action_executions.c.action_name,
    action_executions.c.started_at,
    action_executions.c.id,
    **_only(is_action),
)
is_rule = text("condition_type IS NOT NULL")
Index(
    "ix_hookline_action_executions_rules",
    action_executions.c.pipeline_id,
    action_executions.c.started_at,
    action_executions.c.id,
    **_only(is_rule),
)

Index("ix_hookline_action_executions_stage", action_executions.c.stage_execution_id)
Index(
    "ix_hookline_action_executions_token",
    action_executions.c.token,
    **_only(action_executions.c.token.is_not(None)),
)
is_waiting = text("status = 'InProgress' AND waits_until IS NOT NULL")
Index(
    "ix_hookline_action_executions_waiting",
    action_executions.c.waits_until,
    **_only(is_waiting),
)
is_runnable = text("status = 'InProgress' AND owner IS NULL AND waits_until IS NULL")
Index(
    "ix_hookline_action_executions_runnable",
    action_executions.c.label,
    action_executions.c.id,
    **_only(is_runnable),
)
is_owned = text("status = 'InProgress' AND owner IS NOT NULL")
Index(
    "ix_hookline_action_executions_owned",
    action_executions.c.owner,
    **_only(is_owned),
)

# What actions and rules have written. The chunks of a log follow each other without a gap.
action_log_chunks = Table(
    "hookline_action_log_chunks",
    metadata,
    Column("action_execution_id", String(36), primary_key=True),
    # Where the chunk is in the log, and how long it is there, in bytes.
    Column("start", BigInteger, primary_key=True),
    Column("length", Integer, nullable=False),
    # zstd
    Column("data", LargeBinary, nullable=False),
)

# The processes that run actions; one that has gone keeps its row until another takes its name.
nodes = Table(
    "hookline_nodes",
    metadata,
    Column("name", Name, primary_key=True),
    # New at each start.
    Column("instance", String(36), nullable=False),
    Column("version", String(40), nullable=False),
    Column("labels", Json, nullable=False),
    # Which place of artifacts it uses: another one for each folder, the same for all who see one.
    Column("artifacts", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
)

jobs = Table(
    "hookline_jobs",
    metadata,
    # A UUID of version 7, so jobs are handed out in the order in which they were made.
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("category", String(35), nullable=False),
    Column("provider", String(35), nullable=False),
    Column("version", String(35), nullable=False),
    Column("action_execution_id", String(36), nullable=False),
    Column("execution_id", String(36), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("status", String(12), nullable=False),
    # The value of the queryable property of the action's configuration.
    Column("query_value", String(50)),
    Column("continuation_token", Text),
    # Null until a worker was given the job.
    Column("nonce", String(50)),
    Column("updated_at", Float, nullable=False),
    Index("ix_hookline_jobs_execution", "execution_id"),
)
# Literal, for the same reason as `is_active`.
is_open = text("hookline_jobs.status IN ('Queued', 'Dispatched', 'InProgress')")
Index(
    "ix_hookline_jobs_open",
    jobs.c.account,
    jobs.c.region,
    jobs.c.provider,
    **_only(text("status IN ('Queued', 'Dispatched', 'InProgress')")),
)

# Executions that are forgotten, but whose artifacts are still in the artifact store.
discarded_artifacts = Table(
    "hookline_discarded_artifacts",
    metadata,
    Column("pipeline_id", BigInteger, primary_key=True),
    Column("execution_id", String(36), primary_key=True),
)

condition_executions = Table(
    "hookline_condition_executions",
    metadata,
    Column("stage_execution_id", String(36), primary_key=True),
    Column("type", String(12), primary_key=True),
    Column("execution_id", String(36), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("stage_name", String(100), nullable=False),
    Column("status", String(12), nullable=False),
    Column("summary", Text),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_hookline_condition_executions_execution", "execution_id"),
    Index(
        "ix_hookline_condition_executions_condition",
        "pipeline_id",
        "stage_name",
        "type",
        "started_at",
        "stage_execution_id",
    ),
)

# A transition into a stage that was never disabled has no row.
transitions = Table(
    "hookline_transitions",
    metadata,
    Column("pipeline_id", BigInteger, primary_key=True),
    Column("stage_name", String(100), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text),
)

deliveries = Table(
    "hookline_deliveries",
    metadata,
    # A UUID of version 7, so it sorts by time and new rows go to the end of the index.
    Column("id", String(36), primary_key=True),
    Column("webhook_id", BigInteger, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("verdict", String(24), nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("execution_id", String(36)),
    Column("event", String(100)),
    Column("sender_id", String(100)),
    Column("remote", String(64), nullable=False),
    Column("headers", Json, nullable=False),
    Column("trace", Json, nullable=False),
    # zstd; null where the delivery was refused before its body was trusted.
    Column("body", LargeBinary),
    Column("body_size", Integer, nullable=False),
    Column("duration", Float, nullable=False),
    # The delivery that this one repeats at a person's request.
    Column("redelivery_of", String(36)),
    Index("ix_hookline_deliveries_webhook", "webhook_id", "id"),
)

# Literal, for the same reason as `is_active`.
is_refused = text("refused")
Index(
    "ix_hookline_deliveries_refused",
    deliveries.c.webhook_id,
    deliveries.c.id,
    **_only(is_refused),
)

dedupe = Table(
    "hookline_dedupe",
    metadata,
    # SHA-256 over the webhook and the event's key.
    Column("key", LargeBinary(32), primary_key=True),
    Column("execution_id", String(36), nullable=False),
    Column("received_at", Float, nullable=False),
    Index("ix_hookline_dedupe_received_at", "received_at"),
)
