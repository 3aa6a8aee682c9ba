"""What a stage does next: a pure decision over how far its actions and conditions are."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hookline.model import (
    Action,
    ActionStatus,
    ConditionStatus,
    ConditionType,
    Result,
    Stage,
    StageStatus,
)

STOPPED = "Abandoned, since the execution was stopped"
# The code of a rule that was checked and not met; any other means that it could not be checked.
_NOT_MET_CODE = "JobFailed"
_SUMMARY_LIMIT = 2_000

NOT_MET = frozenset({ConditionStatus.FAILED, ConditionStatus.ERRORED})
"""The statuses of a condition that was not met, or that could not be checked."""


class Ran(Protocol):
    """The newest execution of an action or a rule, as far as a decision needs it."""

    @property
    def status(self) -> ActionStatus:
        """Where it stands."""

    @property
    def error_code(self) -> str | None:
        """Why it failed, as a code."""

    @property
    def error_message(self) -> str | None:
        """Why it failed, in words."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is that has not ended.

    `actions` and `rules` are the newest executions by name. `conditions` are the statuses of those
    checked so far. `done_before` are actions that count as succeeded. While it is `stopping`,
    nothing is begun. `retried` says whether it is an automatic retry, or was followed by one.
    """

    stage: Stage
    actions: Mapping[str, Ran] = field(default_factory=dict)
    rules: Mapping[ConditionType, Mapping[str, Ran]] = field(default_factory=dict)
    conditions: Mapping[ConditionType, ConditionStatus] = field(default_factory=dict)
    done_before: Collection[str] = ()
    entry_overridden: bool = False
    stopping: bool = False
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """The actions begin now, together; or the rules of `condition`."""

    names: tuple[str, ...]
    condition: ConditionType | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is still in progress, and nothing can begin beside it."""


@dataclass(frozen=True, slots=True)
class End:
    """The stage ends with `status`, and then `result` follows; None lets the execution continue.

    A stage that was `stopped` ends its execution instead.
    """

    status: StageStatus
    result: Result | None = None
    stopped: bool = False


Step = Begin | Wait | End


@dataclass(frozen=True, slots=True)
class Checked:
    """A condition whose rules have all ended, and how."""

    type: ConditionType
    status: ConditionStatus
    summary: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stage does next, and which of its conditions are now checked."""

    step: Step
    checked: tuple[Checked, ...] = ()


def decide(progress: Progress) -> Decision:
    """What follows in a stage: its entry condition, its actions, the condition after them."""
    checked: list[Checked] = []
    stage = progress.stage
    if ConditionType.BEFORE_ENTRY in stage.conditions and not progress.entry_overridden:
        entry = _check(progress, ConditionType.BEFORE_ENTRY)
        if not isinstance(entry, Checked):
            return Decision(entry)
        checked.append(entry)
        if entry.status is not ConditionStatus.SUCCEEDED:
            return _ended(progress, checked)
    step = _next(stage.actions, progress.actions, progress.done_before, progress.stopping)
    if step is not None:
        return Decision(step, tuple(checked))
    kind = _afterwards(progress, outcome(progress))
    if kind is not None:
        afterwards = _check(progress, kind)
        if not isinstance(afterwards, Checked):
            return Decision(afterwards, tuple(checked))
        checked.append(afterwards)
    return _ended(progress, checked)


def outcome(progress: Progress) -> StageStatus:
    """How the actions of a stage have ended, none of which is in progress."""
    done = _succeeded(progress.actions).union(progress.done_before)
    if done.issuperset(action.name for action in progress.stage.actions):
        return StageStatus.SUCCEEDED
    statuses = {action.status for action in progress.actions.values()}
    if progress.stopping and ActionStatus.FAILED not in statuses:
        return StageStatus.STOPPED
    return StageStatus.FAILED


def _succeeded(ran: Mapping[str, Ran]) -> set[str]:
    return {name for name, item in ran.items() if item.status is ActionStatus.SUCCEEDED}


def _next(
    actions: Iterable[Action],
    ran: Mapping[str, Ran],
    done_before: Collection[str],
    stopping: bool,  # noqa: FBT001 - it is a part of Progress
) -> Begin | Wait | None:
    """The next step of actions or rules; None when nothing more happens among them.

    Those of one run order go together, and the next run order when all have succeeded.
    """
    names = _next_names(actions, _succeeded(ran).union(done_before))
    unbegun = tuple(name for name in names if name not in ran)
    if unbegun and not stopping:
        return Begin(unbegun)
    if any(name in ran and not ran[name].status.is_final for name in names):
        return Wait()
    return None


def _next_names(actions: Iterable[Action], done: Collection[str]) -> list[str]:
    """The actions that are not done, of the first run order that has any."""
    left = [action for action in actions if action.name not in done]
    run_order = min((action.run_order for action in left), default=None)
    return [action.name for action in left if action.run_order == run_order]


def _check(progress: Progress, kind: ConditionType) -> Begin | Wait | Checked:
    rules, ran = progress.stage.conditions[kind].rules, progress.rules.get(kind, {})
    match _next(rules, ran, (), progress.stopping):
        case Begin(names):
            return Begin(names, kind)
        case Wait() as wait:
            return wait
    return Checked(kind, *_condition_status(len(rules), ran))


def _condition_status(count: int, ran: Mapping[str, Ran]) -> tuple[ConditionStatus, str]:
    """How a condition of `count` rules ended, of which some may never have begun."""
    failed = {name: rule for name, rule in ran.items() if rule.status is ActionStatus.FAILED}
    if failed:
        errored = any(rule.error_code != _NOT_MET_CODE for rule in failed.values())
        words = "; ".join(f"Rule '{name}': {rule.error_message}" for name, rule in failed.items())
        status = ConditionStatus.ERRORED if errored else ConditionStatus.FAILED
        return status, words[:_SUMMARY_LIMIT]
    if len(_succeeded(ran)) == count:
        return ConditionStatus.SUCCEEDED, "All rules succeeded"
    return ConditionStatus.ABANDONED, STOPPED


def _ended(progress: Progress, checked: Collection[Checked]) -> Decision:
    statuses = {**progress.conditions, **{item.type: item.status for item in checked}}
    ended = outcome(progress)
    if progress.stopping:
        if (
            ended is StageStatus.SUCCEEDED
            and ConditionType.ON_SUCCESS in progress.stage.conditions
            and statuses.get(ConditionType.ON_SUCCESS) is not ConditionStatus.SUCCEEDED
        ):
            ended = StageStatus.STOPPED
        return Decision(End(ended, stopped=True), tuple(checked))
    result = _result_of(progress, ended, statuses)
    return Decision(End(_STATUSES[result], result), tuple(checked))


_STATUSES = {
    None: StageStatus.SUCCEEDED,
    Result.SKIP: StageStatus.SKIPPED,
    Result.FAIL: StageStatus.FAILED,
    Result.ROLLBACK: StageStatus.FAILED,
    Result.RETRY: StageStatus.FAILED,
}


def _afterwards(progress: Progress, ended: StageStatus) -> ConditionType | None:
    """The condition to check when a stage's actions have ended so."""
    kind = _KINDS.get(ended)
    retries_at_once = (
        ended is StageStatus.FAILED
        and progress.stage.after_failure is Result.RETRY
        and not progress.retried
    )
    return None if kind not in progress.stage.conditions or retries_at_once else kind


_KINDS = {
    StageStatus.SUCCEEDED: ConditionType.ON_SUCCESS,
    StageStatus.FAILED: ConditionType.ON_FAILURE,
}


def _result_of(
    progress: Progress, ended: StageStatus, statuses: Mapping[ConditionType, ConditionStatus]
) -> Result | None:
    """What follows for a stage whose actions have ended so; None if it succeeded.

    A condition that is not met brings its result. One that could not be asked fails the stage:
    it says nothing about what the result is for. A stage is retried automatically once.
    """
    stage = progress.stage
    if statuses.get(ConditionType.BEFORE_ENTRY) in NOT_MET:
        return _result(stage, ConditionType.BEFORE_ENTRY, statuses)
    kind = _afterwards(progress, ended)
    if ended is StageStatus.SUCCEEDED:
        return None if kind is None else _result(stage, kind, statuses)
    result = stage.after_failure if kind is None else _result(stage, kind, statuses)
    retried_before = result is Result.RETRY and progress.retried
    return Result.FAIL if result is None or retried_before else result


def _result(
    stage: Stage, kind: ConditionType, statuses: Mapping[ConditionType, ConditionStatus]
) -> Result | None:
    match statuses.get(kind):
        case ConditionStatus.FAILED:
            return stage.conditions[kind].result
        case ConditionStatus.SUCCEEDED:
            return None
    return Result.FAIL
