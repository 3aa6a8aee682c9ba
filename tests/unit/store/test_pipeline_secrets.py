"""Secrets in the configuration of actions: sealed when kept, masked when shown, kept on `****`."""

import json
from typing import Any

from hookline.sealing import Seal
from hookline.store import pipeline_secrets

SECRETS = {"ClientSecret": "first-secret", "RefreshToken": "second-secret"}


def declaration(**values: str) -> dict[str, Any]:
    configuration = {"ClientId": "shop", **values}
    return {
        "stages": [
            {"name": "Deploy", "actions": [{"name": "Skill", "configuration": configuration}]}
        ]
    }


def configuration_of(kept: dict[str, Any]) -> dict[str, str]:
    configuration: dict[str, str] = kept["stages"][0]["actions"][0]["configuration"]
    return configuration


def test_each_secret_of_an_action_is_kept_by_its_own_key(seal: Seal) -> None:
    kept = pipeline_secrets.sealed(declaration(**SECRETS), None, seal)
    assert not [secret for secret in SECRETS.values() if secret in json.dumps(kept)]
    shown = pipeline_secrets.masked(kept)
    assert configuration_of(shown) == {"ClientId": "shop", **dict.fromkeys(SECRETS, "****")}
    again = pipeline_secrets.sealed(shown, kept, seal)
    clear, secrets = pipeline_secrets.opened(configuration_of(again), seal)
    assert clear == {"ClientId": "shop", **SECRETS}
    assert sorted(secrets) == sorted(SECRETS.values())
