"""What follows when a stage ends, as a pure decision."""

from typing import Any

import pytest

from hookline.executions.consequences import asks_afterwards, result_of
from hookline.model import (
    Action,
    ActionType,
    Condition,
    ConditionStatus,
    ConditionType,
    Result,
    Stage,
    StageStatus,
)

ENTRY, SUCCESS, FAILURE = ConditionType
RULE = Action("Check", ActionType("Rule", "AWS", "VariableCheck", "1"))
MET, NOT_MET, ERRORED = ConditionStatus.SUCCEEDED, ConditionStatus.FAILED, ConditionStatus.ERRORED
SUCCEEDED, FAILED = StageStatus.SUCCEEDED, StageStatus.FAILED


def stage(after_failure: Result = Result.FAIL, **results: Result) -> Stage:
    """A stage with conditions: by the type's name, the result."""
    conditions = {
        ConditionType[name]: Condition((RULE,), result) for name, result in results.items()
    }
    return Stage("Build", (), conditions, after_failure)


def follows(
    stage: Stage, outcome: StageStatus, *, retried: bool = False, **statuses: ConditionStatus
) -> Any:
    found = {ConditionType[name]: status for name, status in statuses.items()}
    return result_of(stage, outcome, found, retried=retried)


@pytest.mark.parametrize("result", [Result.FAIL, Result.SKIP])
def test_an_entry_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    gated = stage(Result.ROLLBACK, BEFORE_ENTRY=result)
    # Of the actions none has begun, which is no success.
    assert follows(gated, FAILED, BEFORE_ENTRY=NOT_MET) is result
    assert follows(gated, FAILED, BEFORE_ENTRY=ERRORED) is Result.FAIL
    assert follows(gated, SUCCEEDED, BEFORE_ENTRY=MET) is None
    assert follows(gated, FAILED, BEFORE_ENTRY=MET) is Result.ROLLBACK


@pytest.mark.parametrize("result", [Result.FAIL, Result.ROLLBACK])
def test_a_success_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    checked = stage(ON_SUCCESS=result)
    assert asks_afterwards(checked, SUCCEEDED, retried=False) is SUCCESS
    assert asks_afterwards(checked, FAILED, retried=False) is None
    assert follows(checked, SUCCEEDED, ON_SUCCESS=MET) is None
    assert follows(checked, SUCCEEDED, ON_SUCCESS=NOT_MET) is result
    assert follows(checked, SUCCEEDED, ON_SUCCESS=ERRORED) is Result.FAIL
    assert follows(checked, FAILED) is Result.FAIL


@pytest.mark.parametrize("result", list(Result))
def test_a_failure_condition_that_is_not_met_brings_its_result(result: Result) -> None:
    checked = stage(Result.ROLLBACK, ON_FAILURE=result)
    assert asks_afterwards(checked, FAILED, retried=False) is FAILURE
    assert asks_afterwards(checked, SUCCEEDED, retried=False) is None
    assert follows(checked, FAILED, ON_FAILURE=NOT_MET) is result
    assert follows(checked, FAILED, ON_FAILURE=MET) is Result.FAIL
    assert follows(checked, FAILED, ON_FAILURE=ERRORED) is Result.FAIL
    assert follows(checked, SUCCEEDED) is None


@pytest.mark.parametrize("result", [Result.FAIL, Result.SKIP, Result.ROLLBACK])
def test_without_a_condition_a_failure_brings_the_stages_result(result: Result) -> None:
    assert follows(stage(result), FAILED) is result
    assert follows(stage(result), SUCCEEDED) is None


def test_a_stage_is_retried_once_before_its_failure_condition_is_asked() -> None:
    retrying = stage(Result.RETRY, ON_FAILURE=Result.ROLLBACK)
    assert asks_afterwards(retrying, FAILED, retried=False) is None
    assert follows(retrying, FAILED) is Result.RETRY
    assert asks_afterwards(retrying, FAILED, retried=True) is FAILURE
    assert follows(retrying, FAILED, retried=True, ON_FAILURE=NOT_MET) is Result.ROLLBACK
    assert follows(stage(Result.RETRY), FAILED, retried=True) is Result.FAIL
    by_condition = stage(ON_FAILURE=Result.RETRY)
    assert follows(by_condition, FAILED, ON_FAILURE=NOT_MET) is Result.RETRY
    assert follows(by_condition, FAILED, retried=True, ON_FAILURE=NOT_MET) is Result.FAIL
