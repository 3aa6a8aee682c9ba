"""The only door through which an execution comes into being."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from hookline.executions.advance import Enter, Supersede, advance
from hookline.model import (
    Execution,
    ExecutionStatus,
    Pipeline,
    SourceRevision,
    Trigger,
)
from hookline.store import executions, stage_executions
from hookline.store.executions import Standing


@dataclass(frozen=True, slots=True)
class Start:
    """A wish for an execution; `execution_id` is chosen by whoever asks."""

    execution_id: str
    trigger: Trigger
    source_revisions: tuple[SourceRevision, ...] = ()
    client_request_token: str | None = None


def start(connection: Connection, pipeline: Pipeline, starts: Sequence[Start]) -> None:
    """Start executions of `pipeline`, in order, in the caller's transaction.

    The pipeline must be locked by that transaction (`store.pipelines.lock`). In SUPERSEDED mode a
    burst costs rows only: all but the newest are born superseded, and no engine hears of them.
    """
    now = time.time()
    first_stage = pipeline.stages[0].name
    born = {item.execution_id: _execution(pipeline, item, now) for item in starts}
    inside: set[str] = set()
    entered = []
    standings = [
        *executions.active(connection, pipeline.id),
        *(
            Standing(item.execution_id, None, pipeline.version, first_stage, False)
            for item in starts
        ),
    ]
    for command in advance(pipeline.execution_mode, standings):
        match command:
            case Supersede(execution_id, by) if execution_id in born:
                born[execution_id] = replace(
                    born[execution_id],
                    status=ExecutionStatus.SUPERSEDED,
                    status_summary=_superseded_by(by),
                )
            case Supersede(execution_id, by):
                supersede(connection, execution_id, by)
            case Enter(execution_id, stage_name):
                entered.append((execution_id, stage_name))
                inside.add(execution_id)
                if execution_id not in born:
                    executions.move(connection, execution_id, stage_name, in_stage=True)
    tokens = {item.execution_id: item.client_request_token for item in starts}
    executions.insert(
        connection,
        [
            executions.new_row(
                execution,
                first_stage,
                in_stage=execution.id in inside,
                client_request_token=tokens[execution.id],
            )
            for execution in born.values()
        ],
    )
    enter_stages(connection, pipeline.id, entered, now)


def enter_stages(
    connection: Connection, pipeline_id: int, entered: Sequence[tuple[str, str]], now: float
) -> None:
    """Hand the stages that were entered, as (execution id, stage name), to the engine."""
    stage_executions.insert(
        connection,
        [
            stage_executions.new_row(execution_id, pipeline_id, stage_name, now)
            for execution_id, stage_name in entered
        ],
    )


def supersede(connection: Connection, execution_id: str, by: str) -> None:
    """End a waiting execution in favour of the newer one `by`."""
    executions.finish(connection, execution_id, ExecutionStatus.SUPERSEDED, _superseded_by(by))


def _superseded_by(execution_id: str) -> str:
    return f"Superseded by execution {execution_id}, which waits for the same stage"


def _execution(pipeline: Pipeline, item: Start, now: float) -> Execution:
    return Execution(
        id=item.execution_id,
        pipeline_id=pipeline.id,
        pipeline_version=pipeline.version,
        status=ExecutionStatus.IN_PROGRESS,
        mode=pipeline.execution_mode,
        trigger=item.trigger,
        source_revisions=item.source_revisions,
        started_at=now,
        updated_at=now,
    )
