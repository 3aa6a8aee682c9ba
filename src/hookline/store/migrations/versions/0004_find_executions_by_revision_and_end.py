"""Find executions by their source revisions, and by when they ended."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_EXECUTIONS, _REVISIONS = "hookline_executions", "hookline_source_revisions"
_BATCH = 1_000


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_hookline_executions_updated_at", _EXECUTIONS)
    has_ended = sa.text("status NOT IN ('InProgress', 'Stopping')")
    op.create_index(
        "ix_hookline_executions_ended",
        _EXECUTIONS,
        ["updated_at", "id"],
        sqlite_where=has_ended,
        postgresql_where=has_ended,
    )
    revisions = op.create_table(
        _REVISIONS,
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("key", "execution_id", name="pk_hookline_source_revisions"),
    )
    op.create_index("ix_hookline_source_revisions_execution", _REVISIONS, ["execution_id"])
    _fill(revisions)


def _fill(revisions: sa.Table) -> None:
    connection = op.get_bind()
    after = 0
    query = sa.text(
        f"SELECT sequence, id, pipeline_id, source_revisions FROM {_EXECUTIONS} "  # noqa: S608 - our own names
        f"WHERE sequence > :after ORDER BY sequence LIMIT {_BATCH}"
    )
    while found := connection.execute(query, {"after": after}).all():
        rows = [
            {"key": key, "execution_id": row.id}
            for row in found
            for key in {_key(row.pipeline_id, item) for item in json.loads(row.source_revisions)}
        ]
        if rows:
            connection.execute(revisions.insert(), rows)
        after = found[-1].sequence


def _key(pipeline_id: int, item: dict[str, Any]) -> bytes:
    values = [pipeline_id, item["action_name"], item["revision_id"]]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()
