"""Secrets inside pipeline declarations: sealed where kept, masked where shown."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from hookline.sealing import Seal

MASK = "****"
SECRET_KEYS = frozenset({"ClientSecret", "OAuthToken", "RefreshToken"})
"""The keys of action configurations whose values are secrets: GitHub's, and AlexaSkillsKit's."""

_PREFIX = "sealed:"
_PURPOSE = "action-configuration"


def sealed(
    declaration: Mapping[str, Any], previous: Mapping[str, Any] | None, seal: Seal
) -> dict[str, Any]:
    """The declaration as it is kept. A secret given as `****` is the one kept in `previous`."""
    kept = _kept_secrets(previous or {"stages": ()})

    def replace(stage: str, action: str, key: str, value: str) -> str:
        if value == MASK:
            return kept.get((stage, action, key), MASK)
        return _PREFIX + base64.b64encode(seal.seal(value, _PURPOSE)).decode()

    return _with_secrets(declaration, replace)


def masked(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration as it is shown."""
    return _with_secrets(declaration, lambda *_: MASK)


def opened(configuration: Mapping[str, str], seal: Seal) -> tuple[dict[str, str], tuple[str, ...]]:
    """An action's configuration with its secrets in clear, and those secrets."""
    clear = dict(configuration)
    secrets = []
    for key in SECRET_KEYS & clear.keys():
        if clear[key].startswith(_PREFIX):
            clear[key] = seal.open(base64.b64decode(clear[key][len(_PREFIX) :]), _PURPOSE)
            secrets.append(clear[key])
    return clear, tuple(secrets)


def _kept_secrets(declaration: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    return {
        (stage["name"], action["name"], key): value
        for stage in declaration["stages"]
        for action in stage["actions"]
        for key, value in action.get("configuration", {}).items()
        if key in SECRET_KEYS
    }


def _with_secrets(
    declaration: Mapping[str, Any], replace: Callable[[str, str, str, str], str]
) -> dict[str, Any]:
    def action_with_secrets(stage: Mapping[str, Any], action: Mapping[str, Any]) -> dict[str, Any]:
        configuration = action.get("configuration")
        if not configuration:
            return dict(action)
        return {
            **action,
            "configuration": {
                key: replace(stage["name"], action["name"], key, value)
                if key in SECRET_KEYS
                else value
                for key, value in configuration.items()
            },
        }

    return {
        **declaration,
        "stages": [
            {
                **stage,
                "actions": [action_with_secrets(stage, action) for action in stage["actions"]],
            }
            for stage in declaration["stages"]
        ],
    }
