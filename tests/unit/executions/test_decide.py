"""What a stage does next, and what follows when it ends: a pure decision."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from hookline.executions.decide import Begin, Checked, End, Progress, Wait, decide
from hookline.model import (
    Action,
    ActionStatus,
    ActionType,
    Condition,
    ConditionStatus,
    ConditionType,
    Result,
    Stage,
    StageStatus,
)

ENTRY, SUCCESS, FAILURE = ConditionType
KIND = ActionType("Build", "AWS", "Any", "1")
RULES = (Action("Look", KIND), Action("Check", KIND))
IN_RUN_ORDER = Stage(
    "Build", (Action("C", KIND, run_order=2), Action("A", KIND), Action("B", KIND))
)
SUCCEEDED, FAILED = StageStatus.SUCCEEDED, StageStatus.FAILED


@dataclass(frozen=True)
class Executed:
    """An execution of an action or a rule."""

    status: ActionStatus
    error_code: str | None = None
    error_message: str | None = None


RAN = {
    "i": Executed(ActionStatus.IN_PROGRESS),
    "s": Executed(ActionStatus.SUCCEEDED),
    "f": Executed(ActionStatus.FAILED, "JobFailed", "no"),
    "e": Executed(ActionStatus.FAILED, "ConfigurationError", "unreadable"),
    "a": Executed(ActionStatus.ABANDONED),
}


def ran(names: str, letters: str) -> dict[str, Executed]:
    """What has begun: a letter for each action or rule, `-` for none."""
    return {name: RAN[letter] for name, letter in zip(names, letters, strict=True) if letter != "-"}


def step(letters: str, **progress: Any) -> str:
    """The next step of a stage, as words; `letters` are of the actions A, B and C."""
    match decide(Progress(IN_RUN_ORDER, ran("ABC", letters), **progress)).step:
        case Begin(names, None):
            return "begin " + "".join(names)
        case Wait():
            return "wait"
        case End(status):
            return f"end {status.value}"
        case other:
            return repr(other)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("---", "begin AB"),
        ("ss-", "begin C"),
        ("sss", "end Succeeded"),
        ("sf-", "end Failed"),
        ("sa-", "end Failed"),
        ("ssf", "end Failed"),
        ("si-", "wait"),
        ("fi-", "wait"),
        ("ssi", "wait"),
        ("f--", "begin B"),
        ("i--", "begin B"),
    ],
)
def test_run_orders_follow_each_other(letters: str, expected: str) -> None:
    assert step(letters) == expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("---", "end Stopped"),
        ("s--", "end Stopped"),
        ("ss-", "end Stopped"),
        ("i--", "wait"),
        ("sa-", "end Stopped"),
        ("sf-", "end Failed"),
        ("sss", "end Succeeded"),
    ],
)
def test_nothing_begins_while_stopping(letters: str, expected: str) -> None:
    assert step(letters, stopping=True) == expected


def test_what_was_done_before_counts_as_succeeded() -> None:
    assert step("---", done_before=frozenset("A")) == "begin B"
    assert step("-s-", done_before=frozenset("A")) == "begin C"
    assert step("-ss", done_before=frozenset("A")) == "end Succeeded"
    assert step("--s", done_before=frozenset("AB")) == "end Succeeded"


def stage(after_failure: Result = Result.FAIL, **results: Result) -> Stage:
    """A stage with one action and conditions: by the type's name, the result."""
    conditions = {ConditionType[name]: Condition(RULES, result) for name, result in results.items()}
    return Stage("Build", (Action("Make", KIND),), conditions, after_failure)


def progress(made: str, declared: Stage, *, retried: bool = False, **letters: str) -> Progress:
    """How far a stage is: a letter for its action, two for the rules of each condition."""
    rules = {
        ConditionType[name]: {
            rule.name: RAN[letter]
            for rule, letter in zip(RULES, found, strict=True)
            if letter != "-"
        }
        for name, found in letters.items()
    }
    actions = {} if made == "-" else {"Make": RAN[made]}
    return Progress(declared, actions, rules, retried=retried)


def follows(made: str, declared: Stage, *, retried: bool = False, **letters: str) -> Any:
    decided = decide(progress(made, declared, retried=retried, **letters)).step
    assert isinstance(decided, End), decided
    return decided.result


def test_rules_are_asked_before_the_actions_and_after_them() -> None:
    gated = stage(BEFORE_ENTRY=Result.FAIL, ON_SUCCESS=Result.FAIL, ON_FAILURE=Result.FAIL)
    names = ("Look", "Check")
    assert decide(progress("-", gated)).step == Begin(names, ENTRY)
    assert decide(progress("-", gated, BEFORE_ENTRY="-i")).step == Begin(("Look",), ENTRY)
    assert decide(progress("-", gated, BEFORE_ENTRY="si")).step == Wait()
    entered = decide(progress("-", gated, BEFORE_ENTRY="ss"))
    assert entered.step == Begin(("Make",))
    assert entered.checked == (Checked(ENTRY, ConditionStatus.SUCCEEDED, "All rules succeeded"),)
    assert decide(progress("s", gated, BEFORE_ENTRY="ss")).step == Begin(names, SUCCESS)
    assert decide(progress("f", gated, BEFORE_ENTRY="ss")).step == Begin(names, FAILURE)


def test_a_condition_says_which_of_its_rules_failed_and_why() -> None:
    gated = stage(BEFORE_ENTRY=Result.FAIL)
    failed = decide(progress("-", gated, BEFORE_ENTRY="sf"))
    assert failed.checked == (Checked(ENTRY, ConditionStatus.FAILED, "Rule 'Check': no"),)
    errored = decide(progress("-", gated, BEFORE_ENTRY="fe"))
    summary = "Rule 'Look': no; Rule 'Check': unreadable"
    assert errored.checked == (Checked(ENTRY, ConditionStatus.ERRORED, summary),)
    abandoned = decide(replace(progress("-", gated, BEFORE_ENTRY="s-"), stopping=True))
    assert [item.status for item in abandoned.checked] == [ConditionStatus.ABANDONED]
    assert abandoned.step == End(StageStatus.STOPPED, stopped=True)


def test_an_overridden_entry_is_not_asked() -> None:
    gated = replace(progress("-", stage(BEFORE_ENTRY=Result.FAIL)), entry_overridden=True)
    assert decide(gated).step == Begin(("Make",))


def test_a_stopped_stage_has_succeeded_only_when_its_success_condition_is_met() -> None:
    checked = stage(ON_SUCCESS=Result.FAIL)
    for letters, status in (("ss", SUCCEEDED), ("s-", StageStatus.STOPPED)):
        stopping = replace(progress("s", checked, ON_SUCCESS=letters), stopping=True)
        assert decide(stopping).step == End(status, stopped=True)


@pytest.mark.parametrize("result", [Result.FAIL, Result.SKIP])
def test_an_entry_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    gated = stage(Result.ROLLBACK, BEFORE_ENTRY=result)
    assert follows("-", gated, BEFORE_ENTRY="sf") is result
    assert follows("-", gated, BEFORE_ENTRY="se") is Result.FAIL
    assert follows("s", gated, BEFORE_ENTRY="ss") is None
    assert follows("f", gated, BEFORE_ENTRY="ss") is Result.ROLLBACK


@pytest.mark.parametrize("result", [Result.FAIL, Result.ROLLBACK])
def test_a_success_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    checked = stage(ON_SUCCESS=result)
    assert follows("s", checked, ON_SUCCESS="ss") is None
    assert follows("s", checked, ON_SUCCESS="sf") is result
    assert follows("s", checked, ON_SUCCESS="se") is Result.FAIL
    assert follows("f", checked) is Result.FAIL


@pytest.mark.parametrize("result", list(Result))
def test_a_failure_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    checked = stage(Result.ROLLBACK, ON_FAILURE=result)
    assert follows("f", checked, ON_FAILURE="sf") is result
    assert follows("f", checked, ON_FAILURE="ss") is Result.FAIL
    assert follows("f", checked, ON_FAILURE="se") is Result.FAIL
    assert follows("s", checked) is None


@pytest.mark.parametrize("result", [Result.FAIL, Result.SKIP, Result.ROLLBACK])
def test_without_a_condition_a_failure_brings_the_stages_result(result: Result) -> None:
    assert follows("f", stage(result)) is result
    assert follows("s", stage(result)) is None


def test_a_stage_is_retried_once_before_its_failure_condition_is_asked() -> None:
    retrying = stage(Result.RETRY, ON_FAILURE=Result.ROLLBACK)
    assert follows("f", retrying) is Result.RETRY
    asked = decide(progress("f", retrying, retried=True)).step
    assert asked == Begin(("Look", "Check"), FAILURE)
    assert follows("f", retrying, retried=True, ON_FAILURE="sf") is Result.ROLLBACK
    assert follows("f", stage(Result.RETRY), retried=True) is Result.FAIL
    by_condition = stage(ON_FAILURE=Result.RETRY)
    assert follows("f", by_condition, ON_FAILURE="sf") is Result.RETRY
    assert follows("f", by_condition, retried=True, ON_FAILURE="sf") is Result.FAIL


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result.FAIL, StageStatus.FAILED),
        (Result.SKIP, StageStatus.SKIPPED),
        (Result.ROLLBACK, StageStatus.FAILED),
        (Result.RETRY, StageStatus.FAILED),
    ],
)
def test_what_follows_says_how_the_stage_ends(result: Result, status: StageStatus) -> None:
    assert decide(progress("f", stage(result))).step == End(status, result)
