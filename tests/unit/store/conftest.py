"""A migrated database of each kind, and rows to begin with."""

from collections.abc import Callable
from typing import Any

import pytest

from hookline.model import Authentication, Filter, Pipeline, Scope, Webhook
from hookline.sealing import Seal
from hookline.store import pipelines, webhooks
from hookline.store.database import Database
from support.entries import SCOPE


@pytest.fixture
def seal() -> Seal:
    return Seal([b"k" * 32])


@pytest.fixture
def make_pipeline(database: Database) -> Callable[..., Pipeline]:
    def make(name: str = "p", scope: Scope = SCOPE, **more: Any) -> Pipeline:
        kind = {"category": "Source", "owner": "ThirdParty", "provider": "GitHub", "version": "1"}
        stages = [
            {"name": stage, "actions": [{"name": "App", "actionTypeId": kind}]}
            for stage in ("Source", "Build")
        ]
        with database.write() as connection:
            made = pipelines.create(connection, scope, {"name": name, "stages": stages, **more})
        assert made is not None
        return made

    return make


@pytest.fixture
def make_webhook(database: Database, seal: Seal) -> Callable[..., Webhook]:
    def make(name: str = "w", scope: Scope = SCOPE, **more: Any) -> Webhook:
        definition: dict[str, Any] = {
            "target_pipeline": "p",
            "target_action": "App",
            "filters": (Filter("$.ref", "refs/heads/main"), Filter("$.x")),
            "authentication": Authentication.GITHUB_HMAC,
            "token": seal.new_token(),
            "secret_token": "secret",
            **more,
        }
        with database.write() as connection:
            webhooks.put(connection, seal, Webhook(0, scope, name, **definition))
            made = webhooks.find(connection, seal, scope, name)
        assert made is not None
        return made

    return make
