"""Actions that others end: how long they wait for them."""

import pytest

from hookline.actions import provider_for
from hookline.actions.provider import Waiting
from hookline.model import Action, ActionType
from support.workshop import Workshop

APPROVAL = ActionType("Approval", "AWS", "Manual", "1")
CUSTOM = ActionType("Test", "Custom", "Anything", "7")


@pytest.mark.parametrize(
    ("kind", "minutes", "days", "by_worker"),
    [
        (APPROVAL, None, 7, False),
        (APPROVAL, 5, 5 / 1440, False),
        (CUSTOM, None, 1, True),
        (CUSTOM, 720, 0.5, True),
    ],
)
def test_an_action_waits_as_long_as_it_says_or_as_aws_does(
    workshop: Workshop, kind: ActionType, minutes: int | None, days: float, *, by_worker: bool
) -> None:
    context = workshop.context(Action("Ask", kind, timeout_minutes=minutes))
    first, second = (provider_for(kind).run(context) for _ in range(2))
    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert first.time_limit == pytest.approx(days * 86_400)
    assert first.by_worker is by_worker
    assert first.token != second.token
