"""Starts executions: the only place that creates them, rollbacks apart."""

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from hookline.executions.advance import Command, Enter, Supersede, advance
from hookline.executions.dispatch import apply, superseded_by
from hookline.executions.enter import Entry, enter
from hookline.executions.start_request import StartRequest
from hookline.executions.variables import defaults
from hookline.model import Execution, ExecutionStatus, Pipeline
from hookline.store import executions, states
from hookline.store.executions import Position


def start(connection: Connection, pipeline: Pipeline, requests: Sequence[StartRequest]) -> None:
    """Start executions of `pipeline`, in order, in the caller's transaction.

    The pipeline must be locked by that transaction (`store.pipelines.lock`). In SUPERSEDED mode a
    burst costs rows only: all but the newest begin as superseded, and no engine hears of them.
    """
    state = states.read(connection, pipeline.id)
    first_stage = pipeline.stages[0].name
    waiting = [Position(item.execution_id, first_stage, in_stage=False) for item in requests]
    commands = advance(pipeline.execution_mode, [*state.positions, *waiting], state.disabled)
    decided = {command.execution_id: command for command in commands}
    new = _executions(pipeline, [(item, decided.pop(item.execution_id, None)) for item in requests])
    apply(connection, decided.values())
    executions.insert(connection, new)
    enter(
        connection,
        [Entry(item.id, pipeline, first_stage, item.variables) for item in new if item.in_stage],
    )


def _executions(
    pipeline: Pipeline, requests: Iterable[tuple[StartRequest, Command | None]]
) -> list[Execution]:
    """The executions that are requested, each as `advance` has decided about it."""
    now = time.time()
    unchosen = defaults(pipeline)
    return [
        Execution(
            id=item.execution_id,
            pipeline_id=pipeline.id,
            pipeline_version=pipeline.version,
            status=_STATUSES[type(command)],
            mode=pipeline.execution_mode,
            trigger=item.trigger,
            client_request_token=item.client_request_token,
            source_revisions=item.source_revisions,
            stage_name=pipeline.stages[0].name,
            in_stage=isinstance(command, Enter),
            started_at=now,
            updated_at=now,
            status_summary=superseded_by(command.by) if isinstance(command, Supersede) else None,
            variables={**unchosen, **item.variables},
        )
        for item, command in requests
    ]


_STATUSES = {
    Supersede: ExecutionStatus.SUPERSEDED,
    Enter: ExecutionStatus.IN_PROGRESS,
    type(None): ExecutionStatus.IN_PROGRESS,
}
