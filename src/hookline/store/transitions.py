"""Transitions into stages: whether executions may pass them, and who said so when."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hookline.store import dialect
from hookline.store.tables import transitions


@dataclass(frozen=True, slots=True)
class Transition:
    """The transition into a stage, as it was last changed. Times are epoch seconds."""

    stage_name: str
    enabled: bool
    changed_at: float
    changed_by: str
    reason: str | None


def put(  # noqa: PLR0913 - a row has these columns
    connection: Connection,
    pipeline_id: int,
    stage_name: str,
    *,
    enabled: bool,
    changed_by: str,
    reason: str | None = None,
) -> None:
    """Enable or disable the transition into a stage; the `reason` is one for disabling it."""
    dialect.insert_or_replace(
        connection,
        transitions,
        ["pipeline_id", "stage_name"],
        {
            "pipeline_id": pipeline_id,
            "stage_name": stage_name,
            "enabled": enabled,
            "changed_at": time.time(),
            "changed_by": changed_by,
            "reason": reason,
        },
    )


def of_pipeline(connection: Connection, pipeline_id: int) -> dict[str, Transition]:
    """The transitions of a pipeline that were ever changed, by the stage they lead into."""
    query = select(transitions).where(transitions.c.pipeline_id == pipeline_id)
    return {
        row.stage_name: Transition(
            row.stage_name, row.enabled, row.changed_at, row.changed_by, row.reason
        )
        for row in connection.execute(query)
    }
