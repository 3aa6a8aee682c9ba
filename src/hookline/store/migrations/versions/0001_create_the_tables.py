"""Create the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hookline_action_executions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("stage_execution_id", sa.String(length=36), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("pipeline_version", sa.Integer(), nullable=False),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("action_name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=36), nullable=True),
        sa.Column("waits_until", sa.Float(), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("resolved", sa.Text(), nullable=True),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("external_url", sa.Text(), nullable=True),
        sa.Column("percent_complete", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("variables", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_action_executions")),
    )
    op.create_index(
        "ix_hookline_action_executions_execution",
        "hookline_action_executions",
        ["execution_id", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_action_executions_pipeline",
        "hookline_action_executions",
        ["pipeline_id", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_action_executions_waiting",
        "hookline_action_executions",
        ["waits_until"],
        unique=False,
        sqlite_where=sa.text("status = 'InProgress' AND waits_until IS NOT NULL"),
        postgresql_where=sa.text("status = 'InProgress' AND waits_until IS NOT NULL"),
    )
    op.create_table(
        "hookline_action_types",
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=35), nullable=False),
        sa.Column("provider", sa.String(length=35), nullable=False),
        sa.Column("version", sa.String(length=35), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account",
            "region",
            "category",
            "provider",
            "version",
            name=("pk_hookline_action_types"),
        ),
    )
    op.create_table(
        "hookline_condition_executions",
        sa.Column("stage_execution_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "stage_execution_id", "type", name=("pk_hookline_condition_executions")
        ),
    )
    op.create_index(
        "ix_hookline_condition_executions_execution",
        "hookline_condition_executions",
        ["execution_id"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_condition_executions_stage",
        "hookline_condition_executions",
        ["pipeline_id", "stage_name", "started_at"],
        unique=False,
    )
    op.create_table(
        "hookline_credentials",
        sa.Column("access_key_id", sa.String(length=128), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("last_used", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("access_key_id", name=("pk_hookline_credentials")),
    )
    op.create_table(
        "hookline_dedupe",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=("pk_hookline_dedupe")),
    )
    op.create_index(
        "ix_hookline_dedupe_received_at", "hookline_dedupe", ["received_at"], unique=False
    )
    op.create_table(
        "hookline_deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("verdict", sa.String(length=24), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=True),
        sa.Column("event", sa.String(length=100), nullable=True),
        sa.Column("sender_id", sa.String(length=100), nullable=True),
        sa.Column("remote", sa.String(length=64), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("body_size", sa.Integer(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("redelivery_of", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_deliveries")),
    )
    op.create_index(
        "ix_hookline_deliveries_refused",
        "hookline_deliveries",
        ["webhook_id", "id"],
        unique=False,
        sqlite_where=sa.text("refused"),
        postgresql_where=sa.text("refused"),
    )
    op.create_index(
        "ix_hookline_deliveries_webhook", "hookline_deliveries", ["webhook_id", "id"], unique=False
    )
    op.create_table(
        "hookline_executions",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("pipeline_version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("mode", sa.String(length=12), nullable=False),
        sa.Column("trigger_type", sa.String(length=40), nullable=False),
        sa.Column("trigger_detail", sa.Text(), nullable=False),
        sa.Column("client_request_token", sa.String(length=128), nullable=True),
        sa.Column("source_revisions", sa.Text(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=True),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("in_stage", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("status_summary", sa.Text(), nullable=True),
        sa.Column("abandon", sa.Boolean(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("rollback_target", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=("pk_hookline_executions")),
        sa.UniqueConstraint("id", name=("uq_hookline_executions_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_hookline_executions_active",
        "hookline_executions",
        ["pipeline_id"],
        unique=False,
        sqlite_where=sa.text("status IN ('InProgress', 'Stopping')"),
        postgresql_where=sa.text("status IN ('InProgress', 'Stopping')"),
    )
    op.create_index(
        "ix_hookline_executions_pipeline",
        "hookline_executions",
        ["pipeline_id", "sequence"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_executions_request_token",
        "hookline_executions",
        ["pipeline_id", "client_request_token"],
        unique=True,
        sqlite_where=sa.text("client_request_token IS NOT NULL"),
        postgresql_where=sa.text("client_request_token IS NOT NULL"),
    )
    op.create_index(
        "ix_hookline_executions_updated_at", "hookline_executions", ["updated_at"], unique=False
    )
    op.create_table(
        "hookline_jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=35), nullable=False),
        sa.Column("provider", sa.String(length=35), nullable=False),
        sa.Column("version", sa.String(length=35), nullable=False),
        sa.Column("action_execution_id", sa.String(length=36), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("query_value", sa.String(length=50), nullable=True),
        sa.Column("continuation_token", sa.Text(), nullable=True),
        sa.Column("nonce", sa.String(length=50), nullable=True),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_jobs")),
    )
    op.create_index("ix_hookline_jobs_execution", "hookline_jobs", ["execution_id"], unique=False)
    op.create_index(
        "ix_hookline_jobs_open",
        "hookline_jobs",
        ["account", "region", "provider"],
        unique=False,
        sqlite_where=sa.text("status IN ('Queued', 'Dispatched', 'InProgress')"),
        postgresql_where=sa.text("status IN ('Queued', 'Dispatched', 'InProgress')"),
    )
    op.create_table(
        "hookline_pipeline_versions",
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline_id", "version", name=("pk_hookline_pipeline_versions")),
    )
    op.create_table(
        "hookline_pipelines",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column(
            "name",
            sa.String(length=100).with_variant(sa.String(length=100, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_pipelines")),
        sa.UniqueConstraint("account", "region", "name", name="uq_hookline_pipelines_scope"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "hookline_rule_executions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("stage_execution_id", sa.String(length=36), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("pipeline_version", sa.Integer(), nullable=False),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("condition_type", sa.String(length=12), nullable=False),
        sa.Column("rule_name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("waits_until", sa.Float(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("resolved", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_rule_executions")),
    )
    op.create_index(
        "ix_hookline_rule_executions_execution",
        "hookline_rule_executions",
        ["execution_id", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_rule_executions_pipeline",
        "hookline_rule_executions",
        ["pipeline_id", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_rule_executions_stage_execution",
        "hookline_rule_executions",
        ["stage_execution_id"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_rule_executions_waiting",
        "hookline_rule_executions",
        ["waits_until"],
        unique=False,
        sqlite_where=sa.text("status = 'InProgress' AND waits_until IS NOT NULL"),
        postgresql_where=sa.text("status = 'InProgress' AND waits_until IS NOT NULL"),
    )
    op.create_table(
        "hookline_stage_executions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("node", sa.String(length=100), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("done_before", sa.Text(), nullable=True),
        sa.Column("retries", sa.Text(), nullable=True),
        sa.Column("retry_trigger", sa.String(length=20), nullable=True),
        sa.Column("entry_overridden", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_stage_executions")),
    )
    op.create_index(
        "ix_hookline_stage_executions_execution",
        "hookline_stage_executions",
        ["execution_id"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_stage_executions_stage",
        "hookline_stage_executions",
        ["pipeline_id", "stage_name", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_hookline_stage_executions_taken",
        "hookline_stage_executions",
        ["node"],
        unique=False,
        sqlite_where=sa.text("status = 'InProgress' AND node IS NOT NULL"),
        postgresql_where=sa.text("status = 'InProgress' AND node IS NOT NULL"),
    )
    op.create_index(
        "ix_hookline_stage_executions_waiting",
        "hookline_stage_executions",
        ["started_at"],
        unique=False,
        sqlite_where=sa.text("node IS NULL"),
        postgresql_where=sa.text("node IS NULL"),
    )
    op.create_table(
        "hookline_tags",
        sa.Column("arn", sa.String(length=300), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("arn", "key", name=("pk_hookline_tags")),
    )
    op.create_table(
        "hookline_transitions",
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("stage_name", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pipeline_id", "stage_name", name=("pk_hookline_transitions")),
    )
    op.create_table(
        "hookline_webhooks",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column(
            "name",
            sa.String(length=100).with_variant(sa.String(length=100, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("target_pipeline", sa.String(length=100), nullable=False),
        sa.Column("target_action", sa.String(length=100), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("authentication", sa.String(length=20), nullable=False),
        sa.Column("allowed_ip_range", sa.String(length=100), nullable=True),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_triggered", sa.Float(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("github_hook_id", sa.BigInteger(), nullable=True),
        sa.Column("github_repository", sa.String(length=201), nullable=True),
        sa.PrimaryKeyConstraint("id", name=("pk_hookline_webhooks")),
        sa.UniqueConstraint("account", "region", "name", name="uq_hookline_webhooks_scope"),
        sa.UniqueConstraint("token_hash", name=("uq_hookline_webhooks_token_hash")),
        sqlite_autoincrement=True,
    )
