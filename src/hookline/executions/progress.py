"""What a stage does next, given where its actions stand: a pure decision."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import attrgetter

from hookline.model import Action, ActionStatus
from hookline.store.action_executions import ActionExecution
from hookline.store.rule_executions import RuleExecution


class Progress(Enum):
    """Where an action stands, as one turn of its stage sees it."""

    NOT_BEGUN = "nobody has begun it"
    INTERRUPTED = "this turn began it, and it is to be run again"
    ELSEWHERE = "an earlier turn runs it, or it waits for somebody outside"
    SUCCEEDED = "it succeeded"
    FAILED = "it failed or was abandoned"


def progress_of(attempt: ActionExecution | RuleExecution | None, turn: int) -> Progress:
    """Where an action or a rule stands, by its newest attempt."""
    if attempt is None:
        return Progress.NOT_BEGUN
    if attempt.status is ActionStatus.SUCCEEDED:
        return Progress.SUCCEEDED
    if attempt.status is not ActionStatus.IN_PROGRESS:
        return Progress.FAILED
    is_mine = attempt.turn == turn and not attempt.waits
    return Progress.INTERRUPTED if is_mine else Progress.ELSEWHERE


def wanted(*, stopping: bool) -> Collection[Progress]:
    """Where something stands that a turn is to run now."""
    return {Progress.INTERRUPTED} if stopping else {Progress.INTERRUPTED, Progress.NOT_BEGUN}


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
    runnable = wanted(stopping=stopping)
    in_order = sorted(actions, key=attrgetter("run_order"))
    for _, group in groupby(in_order, attrgetter("run_order")):
        names = [action.name for action in group]
        if chosen := tuple(name for name in names if progress[name] in runnable):
            return Run(chosen)
        if any(progress[name] is Progress.ELSEWHERE for name in names):
            return Wait()
        if any(progress[name] is not Progress.SUCCEEDED for name in names):
            return End()
    return End()
