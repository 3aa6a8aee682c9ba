"""How what is declared differs from what is there, for a person's eyes."""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hookline.declarations.secrets import Secrets

_DEFAULTS = {"runOrder": 1, "executionMode": "SUPERSEDED", "pipelineType": "V1"}
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


def difference(old: Mapping[str, Any], new: Mapping[str, Any], secrets: Secrets) -> Iterator[str]:
    """A unified diff of both as YAML, without the names of files; secrets are masked."""
    before, after = (_as_yaml(secrets.masked(normal(value))) for value in (old, new))
    heading = 3 if not before else 2
    lines = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT)
    yield from itertools.islice(lines, heading, None)


def _as_yaml(value: Mapping[str, Any]) -> list[str]:
    if not value:
        return []
    text = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=120)
    return text.splitlines()
