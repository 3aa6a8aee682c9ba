"""How two declarations differ: whether they say the same, and the difference for a person."""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hookline.declarations.documents import as_yaml
from hookline.sealing import is_mask

_DEFAULTS = {
    "runOrder": 1,
    "executionMode": "SUPERSEDED",
    "pipelineType": "V1",
    "description": "",
    "sourceVersion": "",
    "badgeEnabled": False,
    "autoRetryLimit": 0,
}
_MAY_BE_EMPTY = frozenset({"filters", "authenticationConfiguration"})
_CONTEXT = 2


def normal(value: Any) -> Any:
    """A declaration without what says nothing: defaults and empty members; filters are sorted."""
    match value:
        case dict():
            members = {key: normal(item) for key, item in value.items()}
            if isinstance(members.get("filters"), list):
                members["filters"].sort(key=lambda rule: sorted(rule.items()))
            return {key: item for key, item in members.items() if _says_something(key, item)}
        case list():
            return [normal(item) for item in value]
    return value


def _says_something(key: str, value: Any) -> bool:
    if value in ({}, [], None):
        return key in _MAY_BE_EMPTY
    return bool(value != _DEFAULTS.get(key))


def same(wanted: Any, current: Any) -> bool:
    """Whether both are equal, as far as can be seen: `****` equals every text."""
    match wanted, current:
        case dict(), dict():
            return wanted.keys() == current.keys() and all(
                same(item, current[key]) for key, item in wanted.items()
            )
        case list(), list():
            return len(wanted) == len(current) and all(map(same, wanted, current))
        case str(), str() if is_mask(wanted) or is_mask(current):
            return True
    return bool(wanted == current)


def differing_members(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """The members in which two custom action types differ, as CreateCustomActionType takes them."""
    # Tags are no part of what ListActionTypes tells.
    new, old = _comparable_type(wanted), _comparable_type(present)
    return [key for key in dict.fromkeys([*new, *old]) if new.get(key) != old.get(key)]


def _comparable_type(parameters: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = normal({**parameters, "tags": None})
    for item in found.get("configurationProperties", ()):
        if not item.get("queryable"):
            item.pop("queryable", None)
        if item.get("type") == "String":
            del item["type"]
    found.get("configurationProperties", []).sort(key=lambda item: item["name"])
    return found


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """A unified diff of both as YAML, without the names of files."""
    before, after = (_lines(normal(value)) for value in (old, new))
    heading = 2 if before else 3
    lines = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT)
    return itertools.islice(lines, heading, None)


def _lines(value: Mapping[str, Any]) -> list[str]:
    return as_yaml(value).splitlines() if value else []
