"""The rules of stage conditions that Hookline runs, beside Commands, which test_commands covers."""

from datetime import UTC, datetime

import pytest

from hookline.actions import provider_for
from hookline.actions.deployment_window import is_open
from hookline.actions.provider import ActionResult, Waiting
from hookline.errors import ActionError
from hookline.model import Action, ActionType
from support.workshop import Workshop


def rule(provider: str, minutes: int | None = None, **configuration: str) -> Action:
    kind = ActionType("Rule", "AWS", provider, "1")
    return Action("Rule", kind, configuration=configuration, timeout_minutes=minutes)


@pytest.mark.parametrize(
    ("variable", "operator", "value", "holds"),
    [
        ("main", "EQ", "main", True),
        ("main", "EQ", "Main", False),
        ("main", "NE", "dev", True),
        ("main", "NE", "main", False),
        ("release/2.0", "CONTAINS", "/2", True),
        ("release/2.0", "CONTAINS", "/3", False),
        ("release/2.0", "MATCHES", r"release/\d+\.\d+", True),
        ("a release/2.0", "MATCHES", r"release/\d+\.\d+", False),
        ("", "EQ", "x", False),
        ("\ud800", "MATCHES", ".", True),
    ],
)
def test_a_variable_is_compared(
    workshop: Workshop, variable: str, operator: str, value: str, *, holds: bool
) -> None:
    compared = rule("VariableCheck", Variable=variable, Operator=operator, Value=value)
    if holds:
        assert workshop.run(compared).summary
        return
    with pytest.raises(ActionError) as caught:
        workshop.run(compared)
    assert caught.value.code == "JobFailed", "it could be asked"
    assert f"'{value}'" in caught.value.message


@pytest.mark.parametrize(
    ("operator", "value", "words"),
    [("GT", "1", "use one of EQ, NE, CONTAINS, MATCHES"), ("MATCHES", "(?=a)", "lookaround")],
)
def test_a_comparison_that_cannot_be_made_is_told_apart(
    workshop: Workshop, operator: str, value: str, words: str
) -> None:
    with pytest.raises(ActionError) as caught:
        workshop.run(rule("VariableCheck", Variable="a", Operator=operator, Value=value))
    assert caught.value.code == "ConfigurationError"
    assert words in caught.value.message


def test_long_values_are_cut_in_what_people_read(workshop: Workshop) -> None:
    long = "x" * 10_000
    result = workshop.run(rule("VariableCheck", Variable=long, Operator="EQ", Value=long))
    assert len(result.summary) < 1_000


def test_an_open_window_lets_pass_and_a_closed_one_waits(workshop: Workshop) -> None:
    opened = workshop.run(rule("DeploymentWindow", Cron="* * * ? * *"))
    assert opened == ActionResult("The deployment window is open")
    for minutes, seconds in ((None, 7 * 86_400), (30, 1_800)):
        closed = rule("DeploymentWindow", minutes, Cron="* * * ? * * 1999")
        waiting = provider_for(closed.type).run(workshop.context(closed))
        assert isinstance(waiting, Waiting)
        assert waiting.time_limit == seconds


def test_a_window_is_one_of_its_time_zone() -> None:
    window = {"Cron": "* * 9-17 ? * MON-FRI", "TimeZone": "America/New_York"}
    assert not is_open(window, datetime(2026, 7, 1, 12, 59, tzinfo=UTC))
    assert is_open(window, datetime(2026, 7, 1, 13, 0, tzinfo=UTC))
    assert is_open(window, datetime(2026, 7, 1, 21, 59, tzinfo=UTC))
    assert not is_open(window, datetime(2026, 7, 4, 15, 0, tzinfo=UTC)), "a Saturday"
    assert is_open({"Cron": "* * 15 ? * SAT"}, datetime(2026, 7, 4, 15, 0, tzinfo=UTC))


@pytest.mark.parametrize("change", [{"Cron": "whenever"}, {"TimeZone": "Mars/Base"}])
def test_a_window_that_cannot_be_read_is_told_apart(
    workshop: Workshop, change: dict[str, str]
) -> None:
    window = {"Cron": "* * * ? * *"} | change
    with pytest.raises(ActionError) as caught:
        workshop.run(rule("DeploymentWindow", None, **window))
    assert caught.value.code == "ConfigurationError"


def test_commands_are_a_rule_as_well(workshop: Workshop) -> None:
    kind = ActionType("Rule", "AWS", "Commands", "1")
    assert workshop.run(Action("Look", kind, commands=("true",))).summary == "1 command succeeded"
    with pytest.raises(ActionError) as caught:
        workshop.run(Action("Look", kind, commands=("false",)))
    assert caught.value.code == "JobFailed"
