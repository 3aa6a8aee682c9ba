"""Keep build projects and their builds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _name(length: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(length, collation="C")
    return sa.String(length).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hookline_build_projects",
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("name", _name(150), nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("builds_started", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name="pk_hookline_build_projects"),
    )
    op.create_table(
        "hookline_builds",
        sa.Column("uuid", _name(36), nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("project_name", _name(150), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("initiator", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("current_phase", sa.String(20), nullable=False),
        sa.Column("source_version", sa.Text),
        sa.Column("resolved_source_version", sa.Text),
        sa.Column("phases", sa.Text, nullable=False),
        sa.Column("artifacts", sa.Text, nullable=False),
        sa.Column("exported_variables", sa.Text),
        sa.Column("action_execution_id", sa.String(36)),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.PrimaryKeyConstraint("uuid", name="pk_hookline_builds"),
    )
    op.create_index("ix_hookline_builds_scope", "hookline_builds", ["account", "region", "uuid"])
    op.create_index(
        "ix_hookline_builds_project",
        "hookline_builds",
        ["account", "region", "project_name", "number"],
    )
    for column in ("action_execution_id", "ended_at"):
        exists = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_hookline_builds_{column}",
            "hookline_builds",
            [column],
            sqlite_where=exists,
            postgresql_where=exists,
        )
