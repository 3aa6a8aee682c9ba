"""Secrets inside pipeline declarations: sealed where kept, masked where shown."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from hookline.model import ActionType
from hookline.sealing import MASK, Seal, is_mask

SECRET_KEYS = frozenset({"ClientSecret", "OAuthToken", "RefreshToken"})
"""The keys of action configurations whose values are secrets: GitHub's, and AlexaSkillsKit's."""

_PREFIX = "sealed:"
_PURPOSE = "action-configuration"


SecretKeys = Callable[[ActionType], frozenset[str]]
"""Which keys of an action's configuration hold secrets, beside `SECRET_KEYS`."""


def sealed(
    declaration: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    seal: Seal,
    secret_keys: SecretKeys,
) -> dict[str, Any]:
    """The declaration as it is kept. A secret given as a mask is the one kept in `previous`."""
    kept = _kept_secrets(previous or {"stages": ()})

    def replace(stage: str, action: Mapping[str, Any], key: str, value: str) -> str:
        if is_mask(value):
            return kept.get((stage, action["name"], key), value)
        # A value that looks sealed already would be shown and opened as a secret: let it be one.
        if _is_secret(key, value) or key in secret_keys(ActionType.of(action["actionTypeId"])):
            return _PREFIX + base64.b64encode(seal.seal(value, _PURPOSE)).decode()
        return value

    return _with_configuration(declaration, replace)


def masked(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration as it is shown."""

    def replace(_stage: str, _action: Mapping[str, Any], key: str, value: str) -> str:
        return MASK if _is_secret(key, value) else value

    return _with_configuration(declaration, replace)


def opened(configuration: Mapping[str, str], seal: Seal) -> tuple[dict[str, str], tuple[str, ...]]:
    """An action's configuration, as declared, with its secrets in clear, and those secrets."""
    clear = dict(configuration)
    secrets = []
    for key, value in configuration.items():
        if value.startswith(_PREFIX):
            clear[key] = seal.open(base64.b64decode(value[len(_PREFIX) :]), _PURPOSE)
            secrets.append(clear[key])
    return clear, tuple(secrets)


def without_secrets(configuration: Mapping[str, str]) -> dict[str, str]:
    """An action's configuration, as declared, without its secrets."""
    return {key: value for key, value in configuration.items() if not _is_secret(key, value)}


def _is_secret(key: str, value: str) -> bool:
    """Whether a value that is kept is a secret: which keys are, its action type decides."""
    return key in SECRET_KEYS or value.startswith(_PREFIX)


def _kept_secrets(declaration: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    return {
        (stage["name"], action["name"], key): value
        for stage in declaration["stages"]
        for action in stage["actions"]
        for key, value in action.get("configuration", {}).items()
        if _is_secret(key, value)
    }


def _with_configuration(
    declaration: Mapping[str, Any], replace: Callable[[str, Mapping[str, Any], str, str], str]
) -> dict[str, Any]:
    def replaced(stage: Mapping[str, Any], action: Mapping[str, Any]) -> dict[str, Any]:
        configuration = action.get("configuration")
        if not configuration:
            return dict(action)
        return {
            **action,
            "configuration": {
                key: replace(stage["name"], action, key, value)
                for key, value in configuration.items()
            },
        }

    return {
        **declaration,
        "stages": [
            {**stage, "actions": [replaced(stage, action) for action in stage["actions"]]}
            for stage in declaration["stages"]
        ],
    }
