"""What a decision about the next moves of a pipeline's executions needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hookline.store import dialect
from hookline.store.executions import Position
from hookline.store.tables import is_active


@dataclass(frozen=True, slots=True)
class State:
    """All that decides what happens next in a pipeline.

    `positions` are of its active executions, the oldest first; `disabled` are the stages that
    nobody may enter now.
    """

    positions: Sequence[Position]
    disabled: frozenset[str]


def read(connection: Connection, pipeline_id: int) -> State:
    """The state of a pipeline. One query for both parts: each start asks."""
    found = dialect.rows(connection, _STATE, pipeline_id, pipeline_id)
    return State(
        [
            Position(execution_id, stage_name, in_stage=bool(in_stage))
            for _, execution_id, stage_name, in_stage in found
            if execution_id is not None
        ],
        frozenset(stage_name for _, execution_id, stage_name, _ in found if execution_id is None),
    )


_STATE = (
    "SELECT sequence, id, stage_name, in_stage FROM hookline_executions "  # noqa: S608 - our own names
    f"WHERE pipeline_id = ? AND {is_active.text} "
    "UNION ALL SELECT 0, NULL, stage_name, FALSE FROM hookline_transitions "
    "WHERE pipeline_id = ? AND NOT enabled ORDER BY 1"
)
