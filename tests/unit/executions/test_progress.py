"""What a stage does next."""

import pytest

from hookline.executions.progress import End, Progress, Run, Wait, next_step
from hookline.model import Action, ActionType

KIND = ActionType("Build", "AWS", "Any", "1")
ACTIONS = [Action("C", KIND, run_order=2), Action("A", KIND), Action("B", KIND)]
LETTERS = {
    "-": Progress.NOT_BEGUN,
    "i": Progress.INTERRUPTED,
    "e": Progress.ELSEWHERE,
    "s": Progress.SUCCEEDED,
    "f": Progress.FAILED,
}


def step(progress: str, *, stopping: bool = False) -> str:
    """The next step, as words; `progress` has a letter for each of A, B and C."""
    found = dict(zip("ABC", (LETTERS[letter] for letter in progress), strict=True))
    match next_step(ACTIONS, found, stopping=stopping):
        case Run(names):
            return "run " + "".join(names)
        case Wait():
            return "wait"
        case End():
            return "end"


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ("---", "run AB"),
        ("ss-", "run C"),
        ("sss", "end"),
        ("sf-", "end"),
        ("ssf", "end"),
        ("si-", "run B"),
        ("fi-", "run B"),
        ("f--", "run B"),
        ("se-", "wait"),
        ("fe-", "wait"),
        ("e--", "run B"),
        ("ss" + "e", "wait"),
        ("ssi", "run C"),
    ],
)
def test_run_orders_follow_each_other(progress: str, expected: str) -> None:
    assert step(progress) == expected


@pytest.mark.parametrize(
    ("progress", "expected"),
    [("---", "end"), ("s--", "end"), ("ss-", "end"), ("i--", "run A"), ("e--", "wait")],
)
def test_nothing_is_begun_while_stopping(progress: str, expected: str) -> None:
    assert step(progress, stopping=True) == expected
