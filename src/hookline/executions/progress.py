"""What a stage does next, given where its actions stand: a pure decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import attrgetter

from hookline.model import Action


class Progress(Enum):
    """Where an action stands, as one turn of its stage sees it."""

    NOT_BEGUN = "nobody has begun it"
    INTERRUPTED = "this turn began it, and it is to be run again"
    ELSEWHERE = "an earlier turn runs it, or it waits for somebody outside"
    SUCCEEDED = "it succeeded"
    FAILED = "it failed or was abandoned"


@dataclass(frozen=True, slots=True)
class Run:
    """The actions are run now, together."""

    names: tuple[str, ...]


class Wait:
    """Nothing is left for this turn; another one will follow what still goes on."""


class End:
    """Nothing more happens in the stage."""


def next_step(
    actions: Iterable[Action], progress: Mapping[str, Progress], *, stopping: bool
) -> Run | Wait | End:
    """The next step of a stage, by the progress of each action, by name.

    Actions of one run order go together, and the next run order when all have succeeded. Nothing
    is begun while the execution is `stopping`, and a stage ends when all that goes on has ended.
    """
    wanted = {Progress.INTERRUPTED} if stopping else {Progress.INTERRUPTED, Progress.NOT_BEGUN}
    in_order = sorted(actions, key=attrgetter("run_order"))
    for _, group in groupby(in_order, attrgetter("run_order")):
        names = [action.name for action in group]
        if chosen := tuple(name for name in names if progress[name] in wanted):
            return Run(chosen)
        if any(progress[name] is Progress.ELSEWHERE for name in names):
            return Wait()
        if any(progress[name] is not Progress.SUCCEEDED for name in names):
            return End()
    return End()
