"""Secrets inside declarations: what is never shown, and what `****` stands for."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hookline.declarations.resources import Declarations
from hookline.sealing import MASK, is_mask
from hookline.store.pipeline_secrets import SECRET_KEYS

_SUSPICIOUS = re.compile(r"token|secret|password|credential", re.IGNORECASE)
_VALUES = ("value", "defaultValue")
# These name what is kept elsewhere.
_REFERENCES = frozenset({"PARAMETER_STORE", "SECRETS_MANAGER"})
_CHOICES = frozenset({"imagePullCredentialsType", "credentialProvider"})
_WEBHOOK_KEYS = frozenset({"SecretToken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What may not be shown: `texts` wherever they stand, and whatever has a secret's key.

    `custom_keys` are those that custom action types keep secret.
    """

    texts: frozenset[str] = field(default=frozenset(), repr=False)
    custom_keys: frozenset[str] = frozenset()

    @classmethod
    def of_types(
        cls, types: Iterable[Mapping[str, Any]], texts: frozenset[str] = frozenset()
    ) -> Self:
        """What custom action types keep secret, given as CreateCustomActionType takes them."""
        properties = (item for kind in types for item in kind.get("configurationProperties", ()))
        keys = frozenset(item["name"] for item in properties if item["secret"])
        return cls(texts=texts, custom_keys=keys)

    def _is_kept(self, key: str, value: Any) -> bool:
        """Whether the server keeps the value sealed, and takes **** for what it keeps."""
        keys = SECRET_KEYS | _WEBHOOK_KEYS | self.custom_keys
        return key in keys and isinstance(value, str)

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
        hidden = {
            key for key, item in members.items() if _is_suspicious(key) or self._is_kept(key, item)
        }
        # An environment variable or a pipeline's: its key is a value itself.
        if _is_suspicious(str(members.get("name", ""))) and members.get("type") not in _REFERENCES:
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
                    key: MASK if self._is_kept(key, item) else self.portable(item)
                    for key, item in value.items()
                }
            case list():
                return [self.portable(item) for item in value]
        return value

    def with_given(self, declared: Declarations) -> Self:
        """These, and the secrets that are declared, wherever they stand."""
        texts = {text for item in declared.resources for text in self.given(item.declaration)}
        return dataclasses.replace(self, texts=self.texts | texts)

    def given(self, value: Any) -> Iterator[str]:
        """The secrets in the value that the server is to keep, in clear."""
        match value:
            case dict():
                for key, item in value.items():
                    if not self._is_kept(key, item):
                        yield from self.given(item)
                    elif item and not is_mask(item):
                        yield item
            case list():
                for item in value:
                    yield from self.given(item)


def _is_suspicious(name: str) -> bool:
    return name not in _CHOICES and _SUSPICIOUS.search(name) is not None


def filled(wanted: Any, current: Any, choose: Callable[[str, Any], Any], path: str = "") -> Any:
    """The wanted value, where each `****` is what `choose` makes of its path and of what is there.

    Items of lists go together by their names, else by their positions. What isn't there is None.
    """
    match wanted:
        case dict():
            known = current if isinstance(current, dict) else {}
            return {
                key: filled(item, known.get(key), choose, f"{path}.{key}".removeprefix("."))
                for key, item in wanted.items()
            }
        case list():
            partners = _partners(wanted, current if isinstance(current, list) else [])
            return [
                filled(item, partner, choose, f"{path}[{_place_in_list(item, number)}]")
                for number, (item, partner) in enumerate(zip(wanted, partners, strict=True))
            ]
        case str() if is_mask(wanted):
            return choose(path, current)
    return wanted


def unfilled(wanted: Any, current: Any) -> list[str]:
    """The paths where `****` stands for something that isn't there now."""
    missing: list[str] = []

    def note(path: str, there: Any) -> str:
        if there is None:
            missing.append(path)
        return MASK

    filled(wanted, current, note)
    return missing


def masked_like(value: Any, other: Any) -> Any:
    """The value with `****` wherever the other one has it, so that these do not differ."""
    match value:
        case dict():
            known = other if isinstance(other, dict) else {}
            return {key: masked_like(item, known.get(key)) for key, item in value.items()}
        case list():
            partners = _partners(value, other if isinstance(other, list) else [])
            return list(map(masked_like, value, partners))
        case str() if isinstance(other, str) and is_mask(other):
            return other
    return value


def _partners(items: list[Any], others: list[Any]) -> Iterator[Any]:
    by_name = {item["name"]: item for item in others if isinstance(item, dict) and "name" in item}
    for number, item in enumerate(items):
        if isinstance(item, dict) and "name" in item:
            yield by_name.get(item["name"])
        else:
            yield others[number] if number < len(others) else None


def _place_in_list(item: Any, number: int) -> str:
    return str(item.get("name", number)) if isinstance(item, dict) else str(number)
