"""Keep which executions' artifacts are to be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hookline_discarded_artifacts",
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint(
            "pipeline_id", "execution_id", name="pk_hookline_discarded_artifacts"
        ),
    )
