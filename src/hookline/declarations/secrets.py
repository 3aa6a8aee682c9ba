"""Secrets inside declarations: what is never shown, and what `****` stands for."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hookline.declarations.resources import MASK, Declarations
from hookline.sealing import is_mask
from hookline.store.pipeline_secrets import SECRET_KEYS

_SUSPICIOUS = re.compile(r"token|secret|password|credential", re.IGNORECASE)
_VALUES = ("value", "defaultValue")
_WEBHOOK_KEYS = frozenset({"SecretToken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What may not be shown: `texts` wherever they stand, and whatever has a secret's key.

    `custom_keys` are those that custom action types keep secret.
    """

    texts: frozenset[str] = field(default=frozenset(), repr=False)
    custom_keys: frozenset[str] = frozenset()

    @property
    def _kept_keys(self) -> frozenset[str]:
        """The server keeps their values sealed, and takes **** for what it keeps."""
        return SECRET_KEYS | _WEBHOOK_KEYS | self.custom_keys

    def masked(self, value: Any) -> Any:
        """The value as it may be shown."""
        match value:
            case dict():
                hidden = self._hidden_members(value)
                return {
                    key: MASK if key in hidden else self.masked(item) for key, item in value.items()
                }
            case list():
                return [self.masked(item) for item in value]
            case str():
                return self.without(self._masked_json(value))
        return value

    def _masked_json(self, text: str) -> str:
        """A text that holds JSON, as an action's parameters often do, masked inside."""
        if not text.startswith(("{", "[")):
            return text
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            return text
        shown = self.masked(inside)
        return text if shown == inside else json.dumps(shown)

    def _hidden_members(self, members: Mapping[str, Any]) -> set[str]:
        hidden = {key for key in members if key in self._kept_keys or _SUSPICIOUS.search(key)}
        # An environment variable or a pipeline's: its key is a value itself.
        if _SUSPICIOUS.search(str(members.get("name", ""))):
            hidden.update(_VALUES)
        return {key for key in hidden if isinstance(members.get(key), str)}

    def without(self, text: str) -> str:
        """The text with each secret masked, the longest first; also as JSON writes it."""
        written = {form for secret in self.texts for form in (secret, json.dumps(secret)[1:-1])}
        for secret in sorted(written, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def portable(self, value: Any) -> Any:
        """The value for a file: what the server keeps sealed is `****`, all else as it is."""
        match value:
            case dict():
                return {
                    key: MASK
                    if key in self._kept_keys and isinstance(item, str)
                    else self.portable(item)
                    for key, item in value.items()
                }
            case list():
                return [self.portable(item) for item in value]
        return value

    def with_given(self, declared: Declarations) -> Self:
        """These, and the secrets that are declared, wherever they stand."""
        contents = [
            *(item.declaration for item in declared.pipelines),
            *(item.definition for item in declared.webhooks),
        ]
        texts = {text for content in contents for text in self.given(content)}
        return dataclasses.replace(self, texts=self.texts | texts)

    def given(self, value: Any) -> Iterator[str]:
        """The secrets in the value that the server is to keep, in clear."""
        match value:
            case dict():
                for key, item in value.items():
                    if key in self._kept_keys and isinstance(item, str):
                        yield from (item,) if item and not is_mask(item) else ()
                    else:
                        yield from self.given(item)
            case list():
                for item in value:
                    yield from self.given(item)


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
        case str(), str() if is_mask(wanted):
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
            for number, (item, partner) in enumerate(zip(wanted, partners, strict=True)):
                place = _place_in_list(item, number)
                yield from unfilled(item, partner, f"{path}[{place}]")
        case str() if is_mask(wanted) and current is None:
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
                for number, item in enumerate(value)
            ]
    return values.get(path, value)


def _place_in_list(item: Any, number: int) -> str:
    return str(item.get("name", number)) if isinstance(item, dict) else str(number)


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
