"""Every constraint of the service model, checked with AWS's own words (contract W3).

botocore's validator ignores `max`, `pattern` and `enum`; this one walks the model for all of them.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import re2  # type: ignore[import-untyped]  # google-re2 ships no types
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from hookline.api.service import Operation, Service, entry_path, member_path

MAX_FAILURES = 25
MAX_SHOWN = 256

# Beside those the model marks as sensitive: values of these shapes are, or may well be, secrets.
_SECRET_SHAPES = frozenset(
    {
        "ActionConfigurationMap",
        "ClientToken",
        "EnvironmentVariableValue",
        "ResolvedActionConfigurationMap",
        "RuleConfigurationMap",
        "WebhookAuthConfigurationSecretToken",
    }
)
_NOT_NULL = "Member must not be null"


@dataclass(frozen=True, slots=True)
class Failure:
    """A value, as it may be shown, that does not satisfy a constraint; `path` as AWS writes it."""

    value: str
    path: str
    constraint: str

    def __str__(self) -> str:
        return (
            f"Value {self.value} at '{self.path}' failed to satisfy constraint: {self.constraint}"
        )


_Check = Callable[[Any, str], Iterator[Failure]]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One constraint: AWS's words for it, and whether a value (not None) satisfies it."""

    text: str
    holds: Callable[[Any], bool]


def check(operation: Operation, parameters: Mapping[str, Any]) -> None:
    """Check the parsed `parameters` of `operation` against the model's constraints.

    Raises the service's `refusal` in AWS's form, naming at most `MAX_FAILURES` failures in the
    model's order. A value is cut after `MAX_SHOWN` characters; a secret one is shown as `***`.
    """
    found = failures(operation, parameters)
    if found:
        errors = "error" if len(found) == 1 else "errors"
        text = "; ".join(map(str, found))
        raise operation.service.refusal(f"{len(found)} validation {errors} detected: {text}")


def failures(operation: Operation, parameters: Mapping[str, Any]) -> list[Failure]:
    """The constraints that `parameters` do not satisfy, at most `MAX_FAILURES` of them."""
    found = _check(operation.service, operation.input_shape.name)(parameters, "")
    return list(islice(found, MAX_FAILURES))


@functools.cache
def _check(service: Service, shape_name: str) -> _Check:
    shape = service.shape(shape_name)
    return _CHECKS.get(shape.type_name, _scalar_check)(service, shape)


def _scalar_check(_service: Service, shape: Shape) -> _Check:
    rules = _rules(shape)

    def run(value: Any, path: str) -> Iterator[Failure]:
        return _own_failures(shape, rules, value, path)

    return run


def _structure_check(service: Service, shape: Shape) -> _Check:
    structure = cast("StructureShape", shape)
    required = frozenset(structure.required_members)
    members = [(name, _check(service, member.name)) for name, member in structure.members.items()]

    def run(value: Any, path: str) -> Iterator[Failure]:
        for name, member in members:
            item = value.get(name)
            if item is not None:
                yield from member(item, member_path(path, name))
            elif name in required:
                yield Failure("null", member_path(path, name), _NOT_NULL)

    return run


def _list_check(service: Service, shape: Shape) -> _Check:
    member = cast("ListShape", shape).member
    rules = _rules(shape)
    entries = _entries_check(service, shape, member, "Member must satisfy constraint")

    def run(value: Any, path: str) -> Iterator[Failure]:
        yield from _own_failures(shape, rules, value, path)
        yield from entries(value, enumerate(value, 1), path)

    return run


def _map_check(service: Service, shape: Shape) -> _Check:
    mapping = cast("MapShape", shape)
    rules = _rules(shape)
    key_rules = _rules(mapping.key)
    entries = _entries_check(service, shape, mapping.value, "Map value must satisfy constraint")

    def run(value: Any, path: str) -> Iterator[Failure]:
        yield from _own_failures(shape, rules, value, path)
        if not all(_satisfies(key_rules, key) for key in value):
            text = f"Map keys must satisfy constraint: {_bracketed(key_rules)}"
            yield Failure(_shown(shape, value), path, text)
        yield from entries(value, value.items(), path)

    return run


def _entries_check(
    service: Service, shape: Shape, entry: Shape, words: str
) -> Callable[[Any, Any, str], Iterator[Failure]]:
    """Checks `(position or key, entry)` pairs of a list or a map.

    AWS names a structure by its position, but for scalars names the whole list or map once, with
    every rule of its entries.
    """
    if entry.type_name in _CHECKS:
        run_entry = _check(service, entry.name)

        def each(_container: Any, pairs: Any, path: str) -> Iterator[Failure]:
            for place, item in pairs:
                where = entry_path(path, place)
                if item is None:
                    yield Failure("null", where, _NOT_NULL)
                else:
                    yield from run_entry(item, where)

        return each

    rules = (*_rules(entry), _Rule(_NOT_NULL, lambda _: True))

    def together(container: Any, pairs: Any, path: str) -> Iterator[Failure]:
        if not all(item is not None and _satisfies(rules, item) for _, item in pairs):
            yield Failure(_shown(shape, container), path, f"{words}: {_bracketed(rules)}")

    return together


_CHECKS: Mapping[str, Callable[[Service, Shape], _Check]] = {
    "structure": _structure_check,
    "list": _list_check,
    "map": _map_check,
}


def _rules(shape: Shape) -> tuple[_Rule, ...]:
    limits: Mapping[str, Any] = shape.metadata
    rules = []
    sized = _length if shape.type_name in {"string", "list", "map"} else _number
    if "max" in limits:
        rules.append(sized("less", limits["max"]))
    if "min" in limits:
        rules.append(sized("greater", limits["min"]))
    if "pattern" in limits:
        rules.append(_pattern(limits["pattern"]))
    if shape.type_name == "string" and cast("StringShape", shape).enum:
        rules.append(_enum(cast("StringShape", shape).enum))
    return tuple(rules)


def _length(side: str, limit: int) -> _Rule:
    within = _within(side, limit)
    text = f"Member must have length {side} than or equal to {limit}"
    return _Rule(text, lambda value: within(len(value)))


def _number(side: str, limit: int) -> _Rule:
    return _Rule(f"Member must have value {side} than or equal to {limit}", _within(side, limit))


def _within(side: str, limit: int) -> Callable[[int], bool]:
    return (lambda n: n <= limit) if side == "less" else (lambda n: n >= limit)


def _pattern(pattern: str) -> _Rule:
    def holds(value: str) -> bool:
        return _compiled(pattern).fullmatch(value) is not None

    return _Rule(f"Member must satisfy regular expression pattern: {pattern}", holds)


@functools.cache
def _compiled(pattern: str) -> Any:
    # RE2 takes time linear in the value. It reads the model's patterns as Java does, but for a
    # carriage return, which a dot matches here.
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options=options)


def _enum(values: list[str]) -> _Rule:
    allowed = frozenset(values)
    text = f"Member must satisfy enum value set: [{', '.join(values)}]"
    return _Rule(text, allowed.__contains__)


def _satisfies(rules: tuple[_Rule, ...], value: Any) -> bool:
    return all(rule.holds(value) for rule in rules)


def _own_failures(
    shape: Shape, rules: tuple[_Rule, ...], value: Any, path: str
) -> Iterator[Failure]:
    return (
        Failure(_shown(shape, value), path, rule.text) for rule in rules if not rule.holds(value)
    )


def _bracketed(rules: tuple[_Rule, ...]) -> str:
    return f"[{', '.join(rule.text for rule in rules)}]"


def _shown(shape: Shape, value: Any) -> str:
    text = _text(shape, value)
    return f"'{text[:MAX_SHOWN]}…'" if len(text) > MAX_SHOWN else f"'{text}'"


def _text(shape: Shape, value: Any) -> str:
    """A value as Java prints it; a structure only by its name, as AWS's messages do."""
    if value is None:
        return "null"
    if _is_secret(shape):
        return "***"
    match shape:
        case StructureShape():
            return shape.name
        case ListShape():
            return f"[{', '.join(_text(shape.member, item) for item in value)}]"
        case MapShape():
            entries = (f"{key}={_text(shape.value, item)}" for key, item in value.items())
            return f"{{{', '.join(entries)}}}"
    return str(value)


def _is_secret(shape: Shape) -> bool:
    return bool(shape.metadata.get("sensitive")) or shape.name in _SECRET_SHAPES
