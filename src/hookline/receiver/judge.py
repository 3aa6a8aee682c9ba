"""What becomes of a delivery: the steps that need its body, without I/O (contract T13)."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hookline.config import Network
from hookline.executions.start_request import StartRequest
from hookline.model import (
    Authentication,
    SourceRevision,
    Trigger,
    Verdict,
    Webhook,
    new_id,
)
from hookline.receiver.authentication import check_signature
from hookline.receiver.entries import Entry
from hookline.receiver.filters import CompiledFilter, FilterTrace, match_all
from hookline.receiver.git_events import PullRequest, Push
from hookline.receiver.git_triggers import (
    TriggerRule,
    TriggerTrace,
    match_triggers,
    why_none_matched,
)
from hookline.receiver.headers import delivery_id
from hookline.receiver.payload import parse_event
from hookline.receiver.refusal import Refused
from hookline.receiver.revision import pushed_revision


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook, ready to judge deliveries.

    `secret` is empty where the authentication needs none. `configuration` is the target action's;
    None when the pipeline or the action is gone. `triggers` are the filters of the pipeline's git
    trigger on the target action; none where it has no such trigger.
    """

    webhook: Webhook
    secret: bytes
    allowed: Network | None
    filters: tuple[CompiledFilter, ...]
    configuration: Mapping[str, str] | None
    triggers: tuple[TriggerRule, ...] = ()


class Request(msgspec.Struct):
    """A delivery as it came in. `received_at` is in epoch seconds, `began` of `perf_counter`.

    `authenticated_by` is the authentication that it has passed before; None where it has yet to.
    `steps` are the seconds that each step has taken, by its name in `entries.STEPS`. One that is
    to `explain` is held against all rules, even if one has failed.
    """

    headers: dict[bytes, bytes]
    address: str
    received_at: float
    began: float
    id: str = msgspec.field(default_factory=new_id)
    body: bytes = b""
    body_size: int = 0
    authenticated_by: str | None = None
    explain: bool = False
    steps: dict[str, float] = {}
    step_began: float = 0.0

    def end_step(self, name: str) -> None:
        """Note how long a step took, which began when the one before it ended."""
        now = time.perf_counter()
        self.steps[name] = now - (self.step_began or self.began)
        self.step_began = now


class Findings(msgspec.Struct):
    """What the steps found out about a delivery.

    It is `signed` if somebody sent it who holds the webhook's secret. `event_key` is the same for
    each repeat of the event.
    """

    authenticated: bool = False
    signed: bool = False
    event_key: str | None = None
    filters: list[FilterTrace] = []
    triggers: list[TriggerTrace] = []


def judge(target: Target, request: Request) -> tuple[Verdict, Entry]:
    """The verdict on a delivery whose body is there, and the entry that records it.

    An entry that has a `start` is STARTED only once it is committed.
    """
    findings = Findings()
    try:
        _authenticate(target, request, findings)
        request.end_step("authenticate")
        event = parse_event(request.body, request.headers.get(b"content-type", b""))
        request.end_step("parse")
        _check_starts_something(target, request)
        matched = _match(target, request, findings, event)
        request.end_step("filter")
    except Refused as refused:
        return refused.verdict, entry_of(target, request, refused, findings)
    start = _start_request(target, findings, matched)
    return Verdict.STARTED, entry_of(target, request, None, findings, start)


def _authenticate(target: Target, request: Request, findings: Findings) -> None:
    hmac = Authentication.GITHUB_HMAC
    if request.authenticated_by is not None:
        findings.signed = request.authenticated_by == hmac.value
    elif target.webhook.authentication is hmac:
        findings.event_key = check_signature(target.secret, request.headers, request.body)
        findings.signed = True
    else:
        findings.event_key = delivery_id(request.headers)
    findings.authenticated = True


def _check_starts_something(target: Target, request: Request) -> None:
    if request.headers.get(b"x-github-event") == b"ping":
        raise Refused(Verdict.PING)
    if target.configuration is None:
        webhook = target.webhook
        raise Refused(
            Verdict.NO_TARGET,
            f"pipeline {webhook.target_pipeline} with action {webhook.target_action} in its first "
            "stage no longer exists",
        )


def _match(target: Target, request: Request, findings: Findings, event: Any) -> Any:
    """Note what filters and triggers saw. Refuses the event that does not pass them.

    Returns the push or pull request that a trigger has matched; the event if there are none.
    """
    configuration = target.configuration or {}
    findings.filters, failed = match_all(target.filters, event, configuration)
    matched = event
    if target.triggers and (request.explain or failed is None):
        event_key = request.headers.get(b"x-event-key", b"").decode("latin-1")
        findings.triggers, matched = match_triggers(target.triggers, event, event_key)
        if matched is None:
            failed = failed or why_none_matched(findings.triggers)
    if failed is not None:
        raise Refused(Verdict.FILTERED, failed)
    return matched


def _start_request(target: Target, findings: Findings, matched: Any) -> StartRequest:
    webhook = target.webhook
    revision = _revision(webhook.target_action, findings, matched)
    return StartRequest(
        scope=webhook.scope,
        pipeline=webhook.target_pipeline,
        execution_id=new_id(),
        trigger=Trigger("WebhookV2" if target.triggers else "Webhook", webhook.arn),
        source_revisions=() if revision is None else (revision,),
    )


def _revision(action: str, findings: Findings, matched: Any) -> SourceRevision | None:
    # Whoever did not sign the event may not choose what runs: the branch's head does (contract X3).
    if not findings.signed:
        return None
    if isinstance(matched, Push | PullRequest):
        return pushed_revision(action, matched.origin, matched.refs)
    return pushed_revision(action, matched)


def _dedupe_key(webhook: Webhook, event_key: str | None) -> bytes | None:
    if event_key is None:
        return None
    return hashlib.sha256(f"{webhook.id}:{event_key}".encode()).digest()


_NOTHING = Findings()


def entry_of(
    target: Target,
    request: Request,
    refused: Refused | None,
    findings: Findings = _NOTHING,
    start: StartRequest | None = None,
) -> Entry:
    """The entry of a delivery that was refused, or has a `start`; its body only where trusted."""
    verdict = Verdict.STARTED if refused is None else refused.verdict
    return Entry(
        delivery_id=request.id,
        webhook_id=target.webhook.id,
        received_at=request.received_at,
        duration=time.perf_counter() - request.began,
        verdict=verdict.name,
        authentication=request.authenticated_by or target.webhook.authentication.value,
        authenticated=findings.authenticated,
        reason=None if refused is None else refused.detail,
        filters=findings.filters,
        triggers=findings.triggers,
        remote=request.address,
        headers=request.headers,
        body_size=request.body_size,
        body=None if verdict.refused else request.body,
        start=start,
        dedupe_key=None if start is None else _dedupe_key(target.webhook, findings.event_key),
        steps=request.steps,
    )
