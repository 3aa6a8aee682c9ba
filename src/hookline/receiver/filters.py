"""Whether an event passes a webhook's filters, and why not (contract T5-T7)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hookline import jsonpath
from hookline.model import PLACEHOLDER, Filter
from hookline.receiver.texts import shown, text_of


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter whose path is compiled once per webhook."""

    rule: Filter
    path: jsonpath.Path


class FilterTrace(msgspec.Struct, array_like=True, frozen=True):
    """What one filter saw: the value found (cut to 200 characters), wanted, and why it failed."""

    json_path: str
    found: str | None
    wanted: str | None
    # None where the event passes.
    reason: str | None = None


def compile_filters(rules: Sequence[Filter]) -> tuple[CompiledFilter, ...]:
    """Compile the paths of a webhook's filters. Raises jsonpath.CompileError."""
    return tuple(CompiledFilter(rule, jsonpath.compile(rule.json_path)) for rule in rules)


def match_all(
    filters: Iterable[CompiledFilter], event: Any, configuration: Mapping[str, str]
) -> tuple[list[FilterTrace], str | None]:
    """What each filter saw, and the reason of the first that the event does not pass."""
    traces = [match(compiled, event, configuration) for compiled in filters]
    failed = (trace.reason for trace in traces if trace.reason is not None)
    return traces, next(failed, None)


def match(compiled: CompiledFilter, event: Any, configuration: Mapping[str, str]) -> FilterTrace:
    """Apply one filter to an event, with the target action's configuration as it is now."""
    rule = compiled.rule
    wanted = None if rule.match_equals is None else resolve(rule.match_equals, configuration)
    try:
        value = compiled.path(event)
    except jsonpath.EvaluationError:
        return FilterTrace(rule.json_path, None, wanted, compiled.path.explain(event))
    selected = _selected(value, definite=compiled.path.definite)
    if wanted is None:
        passed = any(item is not None for item in selected)
    else:
        passed = any(_equals(item, wanted) for item in selected)
    if passed:
        return FilterTrace(rule.json_path, shown(value), wanted)
    return FilterTrace(
        rule.json_path, shown(value), wanted, _why_not(compiled, event, wanted, value)
    )


def resolve(match_equals: str, configuration: Mapping[str, str]) -> str:
    """Put the action's configuration values for `{Key}`; an unknown key stays as written."""
    if "{" not in match_equals:
        return match_equals
    return PLACEHOLDER.sub(lambda key: configuration.get(key[1], key[0]), match_equals)


def _selected(value: Any, *, definite: bool) -> Sequence[Any]:
    return (value,) if definite or not isinstance(value, list) else value


def _equals(value: Any, wanted: str) -> bool:
    if isinstance(value, list):
        return any(text_of(item) == wanted for item in value)
    return text_of(value) == wanted


def _why_not(compiled: CompiledFilter, event: Any, wanted: str | None, value: Any) -> str:
    path = compiled.rule.json_path
    selected = _selected(value, definite=compiled.path.definite)
    if not selected:
        return compiled.path.explain(event)
    if wanted is None:
        return f"{path} is null"
    if all(isinstance(item, dict) for item in selected):
        return f"{path} is an object, which equals no text; {wanted} is wanted"
    return f"{path} is {shown(value)}, not {wanted}"
