"""Secrets inside declarations: what is never shown, and what `****` stands for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hookline.declarations.resources import MASK

_SECRET_KEY = re.compile(r"token|secret|password|credential", re.IGNORECASE)
# The server keeps these, and takes **** for what it keeps.
_KEPT_KEYS = frozenset({"OAuthToken", "SecretToken"})


def masked(value: Any, secrets: frozenset[str] = frozenset()) -> Any:
    """The value as it may be shown: no secrets by their key, and none of the given texts."""
    match value:
        case dict():
            return {
                key: MASK if _is_secret(key, item) else masked(item, secrets)
                for key, item in value.items()
            }
        case list():
            return [masked(item, secrets) for item in value]
        case str():
            return without(value, secrets)
    return value


def _is_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and _SECRET_KEY.search(key) is not None


def without(text: str, secrets: frozenset[str]) -> str:
    """The text with each of these secrets masked, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def portable(value: Any) -> Any:
    """The value for a file: what the server keeps sealed is `****`, all else as it is."""
    match value:
        case dict():
            return {
                key: MASK if key in _KEPT_KEYS and isinstance(item, str) else portable(item)
                for key, item in value.items()
            }
        case list():
            return [portable(item) for item in value]
    return value


def filled(wanted: Any, current: Any) -> Any:
    """The wanted value where `****` is what is there now, if that is known.

    Items of lists go together by their names, else by their positions.
    """
    match wanted, current:
        case {**members}, {**known}:
            return {key: filled(item, known.get(key)) for key, item in members.items()}
        case [*items], [*others]:
            partners = _partners(items, others)
            return [filled(item, partner) for item, partner in zip(items, partners, strict=True)]
        case str(), str() if wanted == MASK:
            return current
    return wanted


def _partners(items: list[Any], others: list[Any]) -> Iterator[Any]:
    by_name = {item["name"]: item for item in others if isinstance(item, dict) and "name" in item}
    for number, item in enumerate(items):
        if isinstance(item, dict) and "name" in item:
            yield by_name.get(item["name"])
        else:
            yield others[number] if number < len(others) else None


def unfilled(wanted: Any, current: Any, path: str = "") -> Iterator[str]:
    """Where `****` stands for something that isn't there now."""
    match wanted:
        case dict():
            known = current if isinstance(current, dict) else {}
            for key, item in wanted.items():
                yield from unfilled(item, known.get(key), f"{path}.{key}" if path else key)
        case list():
            partners = _partners(wanted, current if isinstance(current, list) else [])
            for number, (item, partner) in enumerate(zip(wanted, partners, strict=True), 1):
                place = _place_in_list(item, number)
                yield from unfilled(item, partner, f"{path}[{place}]")
        case str() if wanted == MASK and current is None:
            yield path


def replaced(value: Any, values: Mapping[str, str], path: str = "") -> Any:
    """The value with others at the paths that `unfilled` told."""
    match value:
        case dict():
            return {
                key: replaced(item, values, f"{path}.{key}" if path else key)
                for key, item in value.items()
            }
        case list():
            return [
                replaced(item, values, f"{path}[{_place_in_list(item, number)}]")
                for number, item in enumerate(value, 1)
            ]
    return values.get(path, value)


def _place_in_list(item: Any, number: int) -> str:
    return str(item.get("name", number)) if isinstance(item, dict) else str(number)


def given_secrets(value: Any) -> bool:
    """Whether the value holds a secret that the server keeps, in clear."""
    match value:
        case Mapping():
            return any(
                (key in _KEPT_KEYS and item != MASK) or given_secrets(item)
                for key, item in value.items()
            )
        case list():
            return any(given_secrets(item) for item in value)
    return False


def same(wanted: Any, current: Any) -> bool:
    """Whether both are equal, as far as can be seen: `****` equals every text."""
    match wanted, current:
        case dict(), dict():
            return wanted.keys() == current.keys() and all(
                same(item, current[key]) for key, item in wanted.items()
            )
        case list(), list():
            return len(wanted) == len(current) and all(map(same, wanted, current))
        case str(), str() if MASK in {wanted, current}:
            return True
    return bool(wanted == current)
