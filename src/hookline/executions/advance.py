"""Which execution enters which stage: a pure decision over where the executions stand."""

from collections.abc import Collection, Sequence
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
    waiting = [position for position in positions if not position.in_stage]
    if mode is ExecutionMode.PARALLEL:
        return [
            Enter(position.execution_id, position.stage_name)
            for position in waiting
            if position.stage_name not in disabled
        ]
    occupied = {position.stage_name for position in positions if position.in_stage}
    commands: list[Command] = []
    for stage_name in dict.fromkeys(position.stage_name for position in waiting):
        queue = [position for position in waiting if position.stage_name == stage_name]
        chosen = queue[0] if mode is ExecutionMode.QUEUED else queue[-1]
        if mode is ExecutionMode.SUPERSEDED:
            commands += [
                Supersede(position.execution_id, chosen.execution_id) for position in queue[:-1]
            ]
        if stage_name not in occupied and stage_name not in disabled:
            commands.append(Enter(chosen.execution_id, stage_name))
    return commands
