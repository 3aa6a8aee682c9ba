"""Make action executions what nodes take; rules are action executions with a condition."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_STAGES, _ACTIONS, _RULES = (
    "hookline_stage_executions",
    "hookline_action_executions",
    "hookline_rule_executions",
)
_OF_ACTIONS, _OF_RULES = "condition_type IS NULL", "condition_type IS NOT NULL"
_INDEXES = {
    "ix_hookline_action_executions_actions": (["pipeline_id", "started_at", "id"], _OF_ACTIONS),
    "ix_hookline_action_executions_action": (
        ["pipeline_id", "stage_name", "action_name", "started_at", "id"],
        _OF_ACTIONS,
    ),
    "ix_hookline_action_executions_rules": (["pipeline_id", "started_at", "id"], _OF_RULES),
    "ix_hookline_action_executions_stage": (["stage_execution_id"], None),
    "ix_hookline_action_executions_token": (["token"], "token IS NOT NULL"),
    "ix_hookline_action_executions_runnable": (
        ["label", "id"],
        "status = 'InProgress' AND owner IS NULL AND waits_until IS NULL",
    ),
    "ix_hookline_action_executions_owned": (
        ["owner"],
        "status = 'InProgress' AND owner IS NOT NULL",
    ),
}


def upgrade() -> None:
    """Apply."""
    _create_nodes()
    _change_stages()
    _change_actions()
    _change_conditions()
    _move_rules()


def _create_nodes() -> None:
    op.create_table(
        "hookline_nodes",
        sa.Column(
            "name",
            sa.String(length=100).with_variant(sa.String(100, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("instance", sa.String(length=36), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("artifacts", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("beat_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_hookline_nodes"),
    )


def _change_stages() -> None:
    connection = op.get_bind()
    retried = connection.execute(
        sa.text(f"SELECT id, retries FROM {_STAGES} WHERE retries IS NOT NULL")  # noqa: S608 - our own names
    ).all()
    op.drop_index("ix_hookline_stage_executions_waiting", _STAGES)
    op.drop_index("ix_hookline_stage_executions_taken", _STAGES)
    for column in ("node", "turn", "retries"):
        op.drop_column(_STAGES, column)
    op.add_column(_STAGES, sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
    for identifier, retries in retried:
        connection.execute(
            sa.text(f"UPDATE {_STAGES} SET retries = :count WHERE id = :id"),  # noqa: S608 - the same
            {"count": len(json.loads(retries)), "id": identifier},
        )
    op.drop_index("ix_hookline_stage_executions_stage", _STAGES)
    op.create_index(
        "ix_hookline_stage_executions_stage",
        _STAGES,
        ["pipeline_id", "stage_name", "started_at", "id"],
    )
    for name, columns, condition in (
        ("in_progress", ["pipeline_id"], "status = 'InProgress'"),
        ("succeeded", ["pipeline_id", "stage_name", "execution_id"], "status = 'Succeeded'"),
    ):
        where = sa.text(condition)
        op.create_index(
            f"ix_hookline_stage_executions_{name}",
            _STAGES,
            columns,
            sqlite_where=where,
            postgresql_where=where,
        )


def _change_conditions() -> None:
    op.drop_index("ix_hookline_condition_executions_stage", "hookline_condition_executions")
    op.create_index(
        "ix_hookline_condition_executions_condition",
        "hookline_condition_executions",
        ["pipeline_id", "stage_name", "type", "started_at", "stage_execution_id"],
    )


def _change_actions() -> None:
    op.drop_index("ix_hookline_action_executions_pipeline", _ACTIONS)
    op.drop_column(_ACTIONS, "turn")
    for column in (
        sa.Column("condition_type", sa.String(length=12)),
        sa.Column("retry", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("label", sa.String(length=100), nullable=False, server_default="default"),
        sa.Column("owner", sa.String(length=36)),
        # All that are there had begun.
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
    ):
        op.add_column(_ACTIONS, column)
    for name, (columns, condition) in _INDEXES.items():
        where = None if condition is None else sa.text(condition)
        op.create_index(name, _ACTIONS, columns, sqlite_where=where, postgresql_where=where)


def _move_rules() -> None:
    same = (
        "id, stage_execution_id, execution_id, pipeline_id, pipeline_version, stage_name, "
        "condition_type, status, waits_until, inputs, resolved, summary, error_code, "
        "error_message, started_at, updated_at"
    )
    copy = f"INSERT INTO {_ACTIONS} ({same}, action_name) SELECT {same}, rule_name FROM {_RULES}"  # noqa: S608 - our own names
    op.execute(copy)
    # A condition after the actions is asked anew after each retry beside them: these are the last.
    op.execute(
        f"UPDATE {_ACTIONS} SET retry = (SELECT retries FROM {_STAGES} "  # noqa: S608 - the same
        f"WHERE {_STAGES}.id = {_ACTIONS}.stage_execution_id) "
        "WHERE condition_type IN ('ON_SUCCESS', 'ON_FAILURE')"
    )
    op.drop_table(_RULES)
