"""Redelivery's judgement: a stored event under today's definition."""

from typing import Any

import msgspec
import pytest

from hookline.executions.start_request import StartRequest
from hookline.model import (
    Authentication,
    Filter,
    Scope,
    SourceRevision,
    Verdict,
    Webhook,
)
from hookline.receiver.filters import compile_filters
from hookline.receiver.judge import Target
from hookline.receiver.redelivery import RedeliveryError, judge_again
from hookline.store.deliveries import Delivery

NOW = 1_700_000_000.0
WEBHOOK = Webhook(
    id=7,
    scope=Scope("000000000000", "us-east-1"),
    name="hook",
    target_pipeline="pipe",
    target_action="App",
    filters=(Filter("$.ref", "refs/heads/{Branch}"),),
    authentication=Authentication.GITHUB_HMAC,
    token="token",
)
FIRST = Delivery(
    id="first",
    webhook_id=7,
    received_at=1.0,
    verdict=Verdict.FILTERED,
    remote="192.0.2.7",
    headers={
        "content-type": "application/json",
        "x-github-event": "push",
        "x-hub-signature-256": "****",
    },
    trace={"authentication": "GITHUB_HMAC", "authenticated": True, "reason": None, "filters": []},
    body_size=22,
    body=b'{"ref":"refs/heads/x"}',
)


def target(configuration: dict[str, str] | None) -> Target:
    return Target(WEBHOOK, b"", None, compile_filters(WEBHOOK.filters), configuration)


def changed(**values: Any) -> Delivery:
    return msgspec.structs.replace(FIRST, **values)


def test_t6_the_configuration_of_today_decides() -> None:
    passed = judge_again(target({"Branch": "x"}), FIRST, NOW)
    assert passed.verdict == "STARTED"
    assert isinstance(passed.start, StartRequest)
    filtered = judge_again(target({"Branch": "y"}), FIRST, NOW)
    assert (filtered.verdict, filtered.start) == ("FILTERED", None)
    assert filtered.reason == "$.ref is refs/heads/x, not refs/heads/y"


def test_t10_a_redelivery_is_nobodys_duplicate_and_names_its_first() -> None:
    entry = judge_again(target({"Branch": "x"}), FIRST, NOW)
    assert entry.start is not None
    assert entry.dedupe_key is None
    assert entry.redelivery_of == "first"
    assert entry.delivery_id not in {"", "first"}
    assert (entry.received_at, entry.remote, entry.body) == (NOW, FIRST.remote, FIRST.body)
    assert (entry.authentication, entry.authenticated) == ("GITHUB_HMAC", True)


def test_x3_only_what_was_signed_when_it_first_came_brings_its_commit() -> None:
    body = b'{"ref":"refs/heads/x","after":"%b"}' % (b"1" * 40)
    first = changed(body=body, trace={**FIRST.trace, "authentication": "UNAUTHENTICATED"})
    unsigned = judge_again(target({"Branch": "x"}), first, NOW)
    assert unsigned.start is not None
    assert unsigned.start.source_revisions == ()
    signed = judge_again(target({"Branch": "x"}), changed(body=body), NOW)
    assert signed.start is not None
    assert signed.start.source_revisions == (SourceRevision("App", "1" * 40, reachable_from=()),)


def test_t8_a_stored_form_is_read_as_a_form() -> None:
    form = changed(
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=b"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fx%22%7D",
    )
    assert judge_again(target({"Branch": "x"}), form, NOW).verdict == "STARTED"


def test_t9_a_ping_starts_nothing_again() -> None:
    ping = changed(headers={"x-github-event": "ping"})
    entry = judge_again(target({"Branch": "x"}), ping, NOW)
    assert (entry.verdict, entry.start) == ("PING", None)


def test_t12_a_target_that_is_gone_refuses() -> None:
    entry = judge_again(target(None), FIRST, NOW)
    assert (entry.verdict, entry.body, entry.redelivery_of) == ("NO_TARGET", None, "first")


def test_t14_without_a_body_there_is_nothing_to_redeliver() -> None:
    with pytest.raises(RedeliveryError, match="was not kept, since it was refused"):
        judge_again(target({}), changed(body=None, verdict=Verdict.BAD_SIGNATURE), NOW)
