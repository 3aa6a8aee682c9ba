"""Other senders' pushes start what their how-to pages say, with the webhooks of those pages."""

import hmac
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.sending import Reply, send, signed
from support.tenant import Tenant, commands, declaration

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
SECRET = "a-long-random-secret"
BEFORE = "1" * 40


def github(commit: str, ref: str) -> dict[str, Any]:
    head = {"id": commit, "message": "Say hello", "url": "https://github.example/c"}
    return {"ref": ref, "before": BEFORE, "after": commit, "deleted": False, "head_commit": head}


def gitlab(commit: str, ref: str) -> dict[str, Any]:
    return {
        "object_kind": "tag_push" if ref.startswith("refs/tags/") else "push",
        "ref": ref,
        "before": BEFORE,
        "after": commit,
        "checkout_sha": commit,
        "commits": [{"id": commit, "message": "Say hello", "url": "https://gitlab.example/c"}],
    }


def bitbucket(commit: str, ref: str) -> dict[str, Any]:
    kind = "tag" if ref.startswith("refs/tags/") else "branch"
    name = ref.split("/", 2)[2]
    target = {"type": "commit", "hash": commit, "message": "Say hello"}
    new = {"type": kind, "name": name, "target": target}
    return {"push": {"changes": [{"new": new, "old": None, "created": True, "closed": False}]}}


def github_headers(body: bytes) -> dict[str, str]:
    return {**signed(SECRET, body), "X-GitHub-Delivery": "1b2c"}


def gitea_headers(body: bytes) -> dict[str, str]:
    digest = hmac.digest(SECRET.encode(), body, "sha256").hex()
    own = {"X-Gitea-Event": "push", "X-Gitea-Delivery": "9f1e", "X-Gitea-Signature": digest}
    return {**own, **github_headers(body)}


def gitlab_headers(_: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
    }


def bitbucket_headers(body: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Event-Key": "repo:push",
        "X-Request-UUID": "5f8c",
        "X-Hub-Signature": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(),
    }


Event = Callable[[str, str], dict[str, Any]]
Headers = Callable[[bytes], dict[str, str]]
SENDERS: Mapping[str, tuple[Event, Headers]] = {
    "github": (github, github_headers),
    "gitea": (github, gitea_headers),
    "gitlab": (gitlab, gitlab_headers),
    "bitbucket": (bitbucket, bitbucket_headers),
}


def declared_webhook(page: str) -> Any:
    """The webhook that the page of a sender declares."""
    text = (HOWTO / f"{page}.md").read_text()
    blocks = re.findall(r"<<'JSON'\n(.*?)^ *JSON$", text, re.DOTALL | re.MULTILINE)
    [webhook] = [json.loads(block) for block in blocks if "targetPipeline" in block]
    if webhook["authentication"] == "IP":
        webhook["authenticationConfiguration"] = {"AllowedIPRange": "127.0.0.0/8"}
    return webhook


@pytest.mark.parametrize("sender", [*SENDERS])
def test_t2_t5_t10_t11_a_push_starts_its_commit_and_others_do_not(
    tenant: Tenant, sender: str
) -> None:
    event, headers = SENDERS[sender]
    commit = tenant.repository.commit("Say hello")
    source = {**tenant.source(), "name": "Checkout"}
    declared = declaration("hello", source, ("Build", commands("Make", "true")))
    tenant.client.create_pipeline(pipeline=declared)
    webhook = tenant.client.put_webhook(webhook=declared_webhook(sender))["webhook"]

    def push(ref: str) -> Reply:
        body = json.dumps(event(commit, ref)).encode()
        return send(webhook["url"], body, headers(body))

    assert push("refs/heads/other").outcome == "filtered"
    assert push("refs/tags/main").outcome == "filtered"
    reply = push("refs/heads/main")
    assert (reply.status, reply.outcome) == (200, "started"), reply
    tenant.finished("hello", reply.execution_id)
    [summary] = tenant.executions("hello")
    assert [(item["revisionId"], item["revisionSummary"]) for item in summary["sourceRevisions"]]
    assert summary["sourceRevisions"][0]["revisionId"] == commit
    again = push("refs/heads/main")
    assert (again.outcome, again.execution_id) == ("duplicate", reply.execution_id)


@pytest.mark.parametrize("sender", ["github", "gitea", "bitbucket"])
def test_t2_a_push_with_another_secret_is_refused(tenant: Tenant, sender: str) -> None:
    event, headers = SENDERS[sender]
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(pipeline, authenticationConfiguration={"SecretToken": "another"})
    body = json.dumps(event(BEFORE, "refs/heads/main")).encode()
    assert send(webhook["url"], body, headers(body)).status == 401


def test_t2_gitlabs_secret_token_is_no_signature(tenant: Tenant) -> None:
    webhook = tenant.webhook(tenant.idle_pipeline())
    body = json.dumps(gitlab(BEFORE, "refs/heads/main")).encode()
    reply = send(webhook["url"], body, {**gitlab_headers(body), "X-Gitlab-Token": SECRET})
    assert (reply.status, reply.content["message"]) == (
        401,
        "no X-Hub-Signature-256 or X-Hub-Signature header",
    )
