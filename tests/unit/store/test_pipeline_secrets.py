"""Secrets in the configuration of actions: sealed when kept, masked when shown, kept on `****`."""

import json
from typing import Any

import pytest

from hookline.model import ActionType
from hookline.sealing import Seal
from hookline.store import pipeline_secrets

DEPLOY = {"category": "Deploy", "owner": "Custom", "provider": "Shop", "version": "1"}
SECRETS = {"ClientSecret": "first-secret", "RefreshToken": "second-secret"}


def declaration(**values: str) -> dict[str, Any]:
    configuration = {"ClientId": "shop", **values}
    return {
        "stages": [
            {
                "name": "Deploy",
                "actions": [
                    {"name": "Skill", "actionTypeId": DEPLOY, "configuration": configuration}
                ],
            }
        ]
    }


def no_keys(_: ActionType) -> frozenset[str]:
    return frozenset()


def the_token(kind: ActionType) -> frozenset[str]:
    return frozenset({"Token"} if kind == ActionType.of(DEPLOY) else ())


def configuration_of(kept: dict[str, Any]) -> dict[str, str]:
    configuration: dict[str, str] = kept["stages"][0]["actions"][0]["configuration"]
    return configuration


def test_each_secret_of_an_action_is_kept_by_its_own_key(seal: Seal) -> None:
    kept = pipeline_secrets.sealed(declaration(**SECRETS), None, seal, no_keys)
    assert not [secret for secret in SECRETS.values() if secret in json.dumps(kept)]
    shown = pipeline_secrets.masked(kept)
    assert configuration_of(shown) == {"ClientId": "shop", **dict.fromkeys(SECRETS, "****")}
    again = pipeline_secrets.sealed(shown, kept, seal, no_keys)
    clear, secrets = pipeline_secrets.opened(configuration_of(again), seal)
    assert clear == {"ClientId": "shop", **SECRETS}
    assert sorted(secrets) == sorted(SECRETS.values())


@pytest.mark.parametrize("mask", ["****", "*****", "*" * 40])
def test_a_run_of_stars_keeps_a_secret(mask: str, seal: Seal) -> None:
    kept = pipeline_secrets.sealed(declaration(Token="mine", **SECRETS), None, seal, the_token)
    stars = declaration(Token=mask, **dict.fromkeys(SECRETS, mask))
    again = pipeline_secrets.sealed(stars, kept, seal, the_token)
    assert again == kept


def test_three_stars_are_a_secret(seal: Seal) -> None:
    kept = pipeline_secrets.sealed(declaration(Token="mine"), None, seal, the_token)
    again = pipeline_secrets.sealed(declaration(Token="***"), kept, seal, the_token)
    assert pipeline_secrets.opened(configuration_of(again), seal)[0]["Token"] == "***"


def test_secrets_of_a_custom_type_stay_secret_when_the_type_is_gone(seal: Seal) -> None:
    kept = pipeline_secrets.sealed(declaration(Token="mine"), None, seal, the_token)
    assert "mine" not in json.dumps(kept)
    shown = configuration_of(pipeline_secrets.masked(kept))
    assert shown == {"ClientId": "shop", "Token": "****"}
    again = pipeline_secrets.sealed(declaration(**shown), kept, seal, no_keys)
    assert pipeline_secrets.opened(configuration_of(again), seal)[0]["Token"] == "mine"
    assert pipeline_secrets.without_secrets(configuration_of(again)) == {"ClientId": "shop"}


def test_a_value_that_looks_sealed_comes_back_as_it_was_given(seal: Seal) -> None:
    forged = declaration(Note="sealed:bm90IHNlYWxlZA==")
    kept = pipeline_secrets.sealed(forged, None, seal, no_keys)
    clear, _ = pipeline_secrets.opened(configuration_of(kept), seal)
    assert clear == configuration_of(forged)
    mask = pipeline_secrets.sealed(declaration(Note="****"), None, seal, no_keys)
    assert configuration_of(mask)["Note"] == "****", "no secret, so no mask either"
