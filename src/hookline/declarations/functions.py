"""CloudFormation's intrinsic functions and conditions, evaluated without AWS."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Protocol

from hookline.declarations.conversion import written
from hookline.declarations.problems import EndlessError, Problems, each
from hookline.errors import HooklineError

_DYNAMIC = re.compile(r"\{\{resolve:([^{}]+)\}\}")
_SUBSTITUTED = re.compile(r"\$\{(!?)([^{}]+)\}")
_DEEPEST = 110
_MOST_VALUES = 1_000_000


class _NoValue(Enum):
    NO_VALUE = "AWS::NoValue"


NO_VALUE: Final = _NoValue.NO_VALUE
"""What `AWS::NoValue` is: the property that has it is left out."""


class Names(Protocol):
    """What `Ref`, `Fn::GetAtt` and dynamic references find; each raises HooklineError."""

    def reference(self, name: str, path: str) -> Any:
        """The value of `Ref`."""

    def attribute(self, logical_id: str, name: str, path: str) -> Any:
        """The value of `Fn::GetAtt`."""

    def dynamic(self, reference: str, path: str) -> str:
        """The value of `{{resolve:<reference>}}`."""

    def exported(self, name: str, path: str) -> str:
        """The value of `Fn::ImportValue`."""

    def note_derived(self, text: str, parts: Iterable[str]) -> None:
        """Told of texts that are parts or another spelling of a text, which may be secret."""


class Evaluator:
    """Evaluates values of one template; only what is asked for, so the rest may be anything."""

    def __init__(self, content: Mapping[str, Any], names: Names) -> None:
        self._names = names
        self._mappings = section(content, "Mappings")
        self.conditions = Conditions(section(content, "Conditions"), self.value)
        self._depth = 0
        self._budget = _MOST_VALUES
        self._functions: Mapping[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": self._base64,
            "Fn::ToJsonString": self._to_json,
            "Fn::ImportValue": self._import_value,
        }

    def value(self, value: Any, path: str) -> Any:
        """The value with all functions in it evaluated; what is NO_VALUE is left out."""
        # Two names that lead to each other would never end.
        self._depth += 1
        self._budget -= 1
        try:
            if self._budget < 0:
                raise EndlessError(f"{path}: the template's values multiply without end")
            if self._depth > _DEEPEST:
                raise EndlessError(f"{path} refers to itself, by way of other values")
            return self._evaluated(value, path)
        finally:
            self._depth -= 1

    def _evaluated(self, value: Any, path: str) -> Any:
        match value:
            case str():
                return self._resolved(value, path)
            case list():
                items = {f"[{number}]": item for number, item in enumerate(value)}
                return list(self._members(items, path).values())
            case dict():
                return self._evaluated_object(value, path)
        return value

    def _evaluated_object(self, value: Mapping[str, Any], path: str) -> Any:
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name in self._functions:
                return self._functions[name](argument, f"{path}: {name}")
            if name.startswith("Fn::"):
                raise HooklineError(
                    f"{path}: {name} can't be evaluated here. Write the value itself."
                )
        members = self._members({f".{key}": item for key, item in value.items()}, path)
        return {key[1:]: item for key, item in members.items()}

    def _members(self, members: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The value of each, by its place below the path; all problems are told together."""
        found = each(members.items(), lambda item: (item[0], self.value(item[1], path + item[0])))
        return {place: item for place, item in found if item is not NO_VALUE}

    def text(self, value: Any, path: str) -> str:
        """The value as a text. Raises HooklineError for an object, a list or nothing."""
        found = self.value(value, path)
        if isinstance(found, str | int):
            return written(found)
        raise HooklineError(f"{path} must be a text")

    def _resolved(self, text: str, path: str) -> str:
        return _DYNAMIC.sub(lambda match: self._names.dynamic(match[1], path), text)

    def _ref(self, argument: Any, path: str) -> Any:
        if argument == "AWS::NoValue":
            return NO_VALUE
        if not isinstance(argument, str):
            raise HooklineError(f"{path} takes a name")
        return self._names.reference(argument, path)

    def _get_att(self, argument: Any, path: str) -> Any:
        parts = list(argument.partition(".")[::2]) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) < 2 or not isinstance(parts[0], str):  # noqa: PLR2004 - resource and attribute
            raise HooklineError(f"{path} takes a resource and the name of an attribute")
        names = [self.text(part, path) for part in parts[1:]]
        return self._names.attribute(parts[0], ".".join(names), path)

    def _sub(self, argument: Any, path: str) -> str:
        match argument:
            case str() as template:
                values: dict[str, Any] = {}
            case [str() as template, dict() as values]:
                pass
            case _:
                raise HooklineError(f"{path} takes a text, or a text and an object")

        problems = Problems()

        def substituted(match: re.Match[str]) -> str:
            with problems:
                return self._substitute(match, values, path)
            return ""

        text = _SUBSTITUTED.sub(substituted, template)
        problems.check()
        return self._resolved(text, path)

    def _substitute(self, match: re.Match[str], values: Mapping[str, Any], path: str) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return f"${{{name}}}"
        if name in values:
            return self.text(values[name], f"{path}.{name}")
        if "." in name:
            return self.text({"Fn::GetAtt": name}, path)
        return self.text({"Ref": name}, path)

    def _join(self, argument: Any, path: str) -> str:
        match argument:
            case [str() as separator, values]:
                return self._resolved(separator.join(self._texts(values, path)), path)
        raise HooklineError(f"{path} takes a separator and a list")

    def _texts(self, values: Any, path: str) -> list[str]:
        found = self.value(values, path)
        if not isinstance(found, list):
            raise HooklineError(f"{path} takes a list")
        return [self.text(item, path) for item in found]

    def _select(self, argument: Any, path: str) -> Any:
        match argument:
            case [_, _]:
                index, found = each(argument, lambda item: self.value(item, path))
                position = self.text(index, path)
                if isinstance(found, list) and position.isdigit() and int(position) < len(found):
                    return found[int(position)]
        raise HooklineError(f"{path} takes a position, from 0, and a list that has it")

    def _split(self, argument: Any, path: str) -> list[str]:
        match argument:
            case [str() as separator, text] if separator:
                whole = self.text(text, path)
                parts = whole.split(separator)
                self._names.note_derived(whole, parts)
                return parts
        raise HooklineError(f"{path} takes a separator and a text")

    def _if(self, argument: Any, path: str) -> Any:
        match argument:
            case [str() as name, positive, negative]:
                holds = self._decided(name, (positive, negative), path)
                return self.value(positive if holds else negative, path)
        raise HooklineError(f"{path} takes the name of a condition and two values")

    def _decided(self, name: str, branches: Iterable[Any], path: str) -> bool:
        """Whether a condition holds; where that is open, each branch may ask for its values."""
        try:
            return self.conditions.holds(name, path)
        except HooklineError:
            for branch in branches:
                with Problems():
                    self.value(branch, path)
            raise

    def _find_in_map(self, argument: Any, path: str) -> Any:
        if not isinstance(argument, list) or len(argument) not in {3, 4}:
            raise HooklineError(f"{path} takes a mapping and two keys")
        found: Any = self._mappings
        for part in argument[:3]:
            key = self.text(part, path)
            if not isinstance(found, dict) or key not in found:
                return self._default_of_map(argument[3:], key, path)
            found = found[key]
        return self.value(found, path)

    def _default_of_map(self, rest: list[Any], key: str, path: str) -> Any:
        if rest and isinstance(rest[0], dict) and "DefaultValue" in rest[0]:
            return self.value(rest[0]["DefaultValue"], path)
        raise HooklineError(f"{path}: the mapping has no '{key}'")

    def _base64(self, argument: Any, path: str) -> str:
        plain = self.text(argument, path)
        encoded = base64.b64encode(plain.encode()).decode()
        self._names.note_derived(plain, [encoded])
        return encoded

    def _to_json(self, argument: Any, path: str) -> str:
        return json.dumps(self.value(argument, path), separators=(",", ":"))

    def _import_value(self, argument: Any, path: str) -> str:
        return self._names.exported(self.text(argument, path), path)


def section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a template; absent it is empty. Raises HooklineError where it is no object."""
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise HooklineError(f"{name} of the template must be an object")
    return found


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
