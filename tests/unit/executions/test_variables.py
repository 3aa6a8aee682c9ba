"""References are resolved once, in values only; what can't be resolved says why."""

from dataclasses import replace

import pytest

from hookline.errors import ActionError
from hookline.executions.variables import resolve
from hookline.model import Action, ActionType

ACTION = Action("A", ActionType("Compute", "AWS", "Commands", "1"), commands=("#{a.X}",))
VALUES = {"a": {"X": "1", "Y": "#{a.X}", "EMPTY": ""}, "variables": {}, "codepipeline": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("#{a.X}", "1"),
        ("<#{a.X}#{a.X}>", "<11>"),
        ("#{a.EMPTY}", ""),
        ("#{a.Y}", "#{a.X}"),
        ("#{", "#{"),
        ("${a.X} #a.X {a.X}", "${a.X} #a.X {a.X}"),
    ],
)
def test_references_are_replaced_in_values(text: str, expected: str) -> None:
    action = replace(ACTION, configuration={"K": text, "L": "l"}, environment=(("E", text),))
    found, resolved = resolve(action, VALUES)
    assert found.configuration == {"K": expected, "L": "l"}
    assert found.environment == (("E", expected),)
    assert found.commands == ("#{a.X}",)
    assert resolved == ({"K": expected} if "#{" in text and "}" in text else {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#{a.Z}", "the namespace a has no variable Z; it has: EMPTY, X, Y"),
        ("#{b.X}", "no action with the namespace b has succeeded before in this execution"),
        ("#{variables.Z}", "this execution has no value for a pipeline variable Z"),
        ("#{codepipeline.Z}", "the namespace codepipeline has no variable Z; it has: none"),
        ("#{X}", "a reference has the form #{namespace.name}"),
        ("#{}", "a reference has the form #{namespace.name}"),
    ],
)
def test_a_reference_to_nothing_says_where_and_why(text: str, reason: str) -> None:
    for action, where in (
        (replace(ACTION, configuration={"K": text}), "the configuration value K"),
        (replace(ACTION, environment=(("E", text),)), "the environment variable E"),
    ):
        with pytest.raises(ActionError) as caught:
            resolve(action, VALUES)
        assert caught.value.message == (
            f"The reference {text} in {where} can't be resolved: {reason}"
        )
        assert caught.value.code == "ConfigurationError"
