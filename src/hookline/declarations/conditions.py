"""The conditions of a CloudFormation template."""

from collections.abc import Callable, Mapping
from typing import Any

from hookline.declarations.problems import each
from hookline.declarations.scalars import written
from hookline.errors import HooklineError


class Conditions:
    """Evaluates conditions by name; `value` evaluates what they compare."""

    def __init__(self, content: Mapping[str, Any], value: Callable[[Any, str], Any]) -> None:
        self._content = content
        self._value = value
        self._known: dict[str, bool] = {}
        self._open: set[str] = set()

    def holds(self, name: str, path: str) -> bool:
        """Whether the condition holds. Raises HooklineError."""
        if name not in self._content:
            raise HooklineError(f"{path} names the condition '{name}', which the template lacks")
        if name in self._open:
            raise HooklineError(f"The condition '{name}' refers to itself")
        if name not in self._known:
            self._open.add(name)
            try:
                self._known[name] = self._judged(self._content[name], f"Conditions.{name}")
            finally:
                self._open.discard(name)
        return self._known[name]

    def _judged(self, condition: Any, path: str) -> bool:
        match condition:
            case {"Condition": str(name)}:
                return self.holds(name, path)
            case {"Fn::Equals": [left, right]}:
                one, other = each((left, right), lambda side: self._value(side, path))
                return bool(_comparable(one) == _comparable(other))
            case {"Fn::Not": [operand]}:
                return not self._judged(operand, path)
            case {"Fn::And": list(operands)} if operands:
                return all(each(operands, lambda item: self._judged(item, path)))
            case {"Fn::Or": list(operands)} if operands:
                return any(each(operands, lambda item: self._judged(item, path)))
        raise HooklineError(
            f"{path} must be one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition"
        )


def _comparable(value: Any) -> Any:
    # CloudFormation compares what is written as texts, so 1 equals "1" and true equals "true".
    match value:
        case list():
            return [_comparable(item) for item in value]
        case dict():
            return {key: _comparable(item) for key, item in value.items()}
    return None if value is None else written(value)
