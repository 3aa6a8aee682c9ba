"""The rule type Rule · AWS · VariableCheck · 1: compares a value with an expected one."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from hookline.actions.provider import ActionContext, ActionResult
from hookline.errors import ActionError
from hookline.jsonpath.regex import Regex

_LONGEST_SHOWN = 200


class VariableCheck:
    """Succeeds if `Variable` stands to `Value` as `Operator` says, once references are resolved."""

    def run(self, context: ActionContext) -> ActionResult:
        """See Provider."""
        configuration = context.action.configuration
        variable, operator, value = (
            configuration[key] for key in ("Variable", "Operator", "Value")
        )
        compare = OPERATORS.get(operator)
        if compare is None:
            raise ActionError(
                f"Operator is '{_cut(operator)}'; use one of {', '.join(OPERATORS)}",
                "ConfigurationError",
            )
        if not compare(variable, value):
            raise ActionError(f"'{_cut(variable)}' {_FAILURES[operator]} '{_cut(value)}'")
        return ActionResult(f"'{_cut(variable)}' {_SUCCESSES[operator]} '{_cut(value)}'")


def pattern(text: str) -> Regex:
    """The regular expression of a `MATCHES`, in Java's syntax, which must match a whole value.

    Raises:
        ActionError: it can't be used.
    """

    def fail(message: str, offset: int) -> NoReturn:
        raise ActionError(
            f"Value can't be used as a regular expression: {message}, at position {offset}",
            "ConfigurationError",
        )

    return Regex(text, "", fail)


def _matches(variable: str, value: str) -> bool:
    return pattern(value).matches(variable)


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "EQ": str.__eq__,
    "NE": str.__ne__,
    "CONTAINS": str.__contains__,
    "MATCHES": _matches,
}
"""The operators by name, each a function of the variable's value and the expected one."""

_SUCCESSES = {
    "EQ": "equals",
    "NE": "does not equal",
    "CONTAINS": "contains",
    "MATCHES": "matches",
}
_FAILURES = {
    "EQ": "does not equal",
    "NE": "equals",
    "CONTAINS": "does not contain",
    "MATCHES": "does not match",
}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
