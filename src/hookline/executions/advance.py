"""Which execution enters which stage: a pure decision over where the executions stand."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from hookline.model import ExecutionMode
from hookline.store.executions import Position


@dataclass(frozen=True, slots=True)
class Enter:
    """The execution enters the stage it waits for."""

    execution_id: str
    stage_name: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """The waiting execution ends, since the newer execution `by` waits for the same stage."""

    execution_id: str
    by: str


Command = Enter | Supersede


def advance(
    mode: ExecutionMode, positions: Sequence[Position], disabled: Collection[str] = ()
) -> list[Command]:
    """What happens next to the active executions of one pipeline, given the oldest first.

    A stage takes one execution at a time, except in PARALLEL mode, and none while it is in
    `disabled`. Of those that wait for it, SUPERSEDED lets the newest in and ends the others, also
    while it is closed to all; QUEUED lets the oldest in. (AWS: "How executions are processed",
    CodePipeline User Guide, concepts.)
    """
    closed = set(disabled)
    if mode is not ExecutionMode.PARALLEL:
        closed |= {position.stage_name for position in positions if position.in_stage}
    queues: dict[str, list[str]] = {}
    for position in positions:
        if not position.in_stage:
            queues.setdefault(position.stage_name, []).append(position.execution_id)
    return [
        command
        for stage_name, queue in queues.items()
        for command in _commands(mode, stage_name, queue, is_open=stage_name not in closed)
    ]


def _commands(
    mode: ExecutionMode, stage_name: str, queue: Sequence[str], *, is_open: bool
) -> Iterator[Command]:
    """What happens to the executions that wait for one stage, the oldest first."""
    if mode is ExecutionMode.SUPERSEDED:
        yield from (Supersede(execution_id, queue[-1]) for execution_id in queue[:-1])
    if is_open:
        yield from (Enter(execution_id, stage_name) for execution_id in queue[_ENTERING[mode]])


_ENTERING = {
    ExecutionMode.PARALLEL: slice(None),
    ExecutionMode.QUEUED: slice(1),
    ExecutionMode.SUPERSEDED: slice(-1, None),
}
