"""The trigger URL, `POST /trigger?t=<token>&v=1`: a plain ASGI function, one list of steps."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from operator import sub
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson

from hookline.config import Settings
from hookline.errors import StoreUnavailableError
from hookline.model import Authentication, Verdict, new_id
from hookline.receiver import headers as header_fields
from hookline.receiver.authentication import (
    Address,
    address_text,
    check_address,
    check_signature,
    client_address,
    sender_key,
)
from hookline.receiver.entries import Entry, Revision, Start
from hookline.receiver.filters import FilterTrace, match
from hookline.receiver.git_events import PullRequest, Push
from hookline.receiver.git_triggers import TriggerTrace, judge, why_none_matched
from hookline.receiver.payload import parse_event
from hookline.receiver.protocol import SHED
from hookline.receiver.rates import Rate
from hookline.receiver.recording import QueueFullError, Recording
from hookline.receiver.refusal import Refused
from hookline.receiver.revision import pushed_revision
from hookline.receiver.targets import Target, Targets
from hookline.store.deliveries import dedupe_key

PATH = "/trigger"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TOKEN_LIMIT = 100
_BODY_TIMEOUT_S = 30
# A larger body is judged in a thread, so that others need not wait for it.
_LARGE = 1_000_000
# What the column of a size holds; an announced one may be anything.
_SIZE_SHOWN = 2**31 - 1
_TOO_SLOW = f"the body took longer than {_BODY_TIMEOUT_S} seconds"


class Arrival(msgspec.Struct):
    """A delivery on its way through the steps: what came in, and what has been found out."""

    id: str
    headers: dict[bytes, bytes]
    peer: str
    received_at: float
    began: float
    address: str = ""
    body: bytes = b""
    body_size: int = 0
    authenticated: bool = False
    # By somebody who holds the webhook's secret.
    signed: bool = False
    event_key: str | None = None
    filters: list[FilterTrace] = []
    triggers: list[TriggerTrace] = []
    # When each of entries.STEPS ended.
    marks: list[float] = []


class Answer(msgspec.Struct, frozen=True):
    """What the sender is told: never a filter's expected value, never a secret (contract T12)."""

    verdict: Verdict
    delivery_id: str
    execution_id: str | None = None


class Receiver:
    """The ASGI application of the trigger URL."""

    def __init__(self, targets: Targets, recording: Recording, settings: Settings) -> None:
        self._targets = targets
        self._recording = recording
        self._max_body = settings.max_body
        self._trusted_proxies = settings.trusted_proxies
        self._rate = Rate(settings.rate)
        self._address_rate = Rate(settings.address_rate)
        # One at a time: an event takes many times the memory of its body.
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await _respond(send, await self._judge(scope, receive))

    async def _judge(self, scope: Scope, receive: Receive) -> Answer:
        arrival = _arrival(scope)
        if scope["method"] != "POST":
            return Answer(Verdict.NOT_POST, arrival.id)
        token = _token(scope["query_string"])
        target = self._targets.kept(token)
        if target is None:
            try:
                target = await self._targets.find(token)
            except StoreUnavailableError:
                return Answer(Verdict.UNAVAILABLE, arrival.id)
        if target is None:
            return Answer(Verdict.UNKNOWN_TOKEN, arrival.id)
        try:
            return await self._judge_known(target, arrival, receive)
        except Refused as refused:
            if SHED in scope:
                # What was answered 503 is not recorded.
                return Answer(Verdict.UNAVAILABLE, arrival.id)
            return self._note(target, arrival, refused)

    async def _judge_known(self, target: Target, arrival: Arrival, receive: Receive) -> Answer:
        address = self._address(arrival)
        self._check_rates(target, arrival)
        check_address(target.allowed, address)
        await self._read_body(arrival, receive)
        _mark(arrival)
        _authenticate(target, arrival)
        _mark(arrival)
        if arrival.body_size > _LARGE:
            start = await asyncio.get_running_loop().run_in_executor(
                self._large, _judge_large, target, arrival
            )
        else:
            start = judge_event(target, arrival)
        return await self._start(target, arrival, start)

    def _address(self, arrival: Arrival) -> Address | None:
        address = client_address(
            arrival.peer, arrival.headers.get(b"x-forwarded-for"), self._trusted_proxies
        )
        arrival.address = arrival.peer if address is None else address_text(address)
        return address

    def _check_rates(self, target: Target, arrival: Arrival) -> None:
        # First the address's: what it sends too often must not use up the webhook's rate.
        if not self._address_rate.allows(sender_key(arrival.address), arrival.began):
            raise Refused(Verdict.OVER_RATE, "the rate of the sender's address is exceeded")
        if not self._rate.allows(target.webhook.id, arrival.began):
            raise Refused(Verdict.OVER_RATE, "the webhook's rate is exceeded")

    async def _read_body(self, arrival: Arrival, receive: Receive) -> None:
        if arrival.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(Verdict.BAD_ENCODING)
        limit = self._max_body
        announced = arrival.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            arrival.body_size = min(int(announced), _SIZE_SHOWN)
            raise Refused(
                Verdict.TOO_LARGE, f"the body has {int(announced)} bytes; {limit} are accepted"
            )
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _hung_up(arrival)
        body = message.get("body", b"")
        if message.get("more_body", False):
            body = await _read_rest(body, arrival, receive, limit)
        arrival.body_size = len(body)
        if len(body) > limit:
            raise Refused(Verdict.TOO_LARGE, f"the body has more than {limit} bytes")
        arrival.body = body

    def _note(self, target: Target, arrival: Arrival, refused: Refused) -> Answer:
        try:
            self._recording.note(entry_of(target, arrival, refused.verdict, refused.detail))
        except QueueFullError:
            return Answer(Verdict.UNAVAILABLE, arrival.id)
        return Answer(refused.verdict, arrival.id)

    async def _start(self, target: Target, arrival: Arrival, start: Start | Refused) -> Answer:
        if isinstance(start, Refused):
            raise start
        try:
            recorded = await self._recording.record(
                entry_of(target, arrival, Verdict.STARTED, None, start)
            )
        except QueueFullError:
            return Answer(Verdict.UNAVAILABLE, arrival.id)
        return Answer(Verdict[recorded.verdict], arrival.id, recorded.execution_id)


def _arrival(scope: Scope) -> Arrival:
    client = scope["client"]
    return Arrival(
        id=new_id(),
        headers=header_fields.joined(scope["headers"]),
        peer=client[0] if client else "",
        received_at=time.time(),
        began=time.perf_counter(),
    )


def _mark(arrival: Arrival) -> None:
    arrival.marks.append(time.perf_counter())


def start_of(target: Target, arrival: Arrival, event: Any) -> Start:
    """The execution that a delivery which passed every step is to start.

    `event` is what `apply_triggers` returned.
    """
    webhook, key = target.webhook, arrival.event_key
    return Start(
        execution_id=new_id(),
        account=webhook.scope.account,
        region=webhook.scope.region,
        pipeline=webhook.target_pipeline,
        action=webhook.target_action,
        trigger_detail=webhook.arn,
        revision=_revision(arrival, event),
        dedupe_key=None if key is None else dedupe_key(webhook.id, key),
        trigger_type="WebhookV2" if target.triggers else "Webhook",
    )


def _revision(arrival: Arrival, event: Any) -> Revision | None:
    # Whoever did not sign the event may not choose what runs: the branch's head does (contract X3).
    if not arrival.signed:
        return None
    if isinstance(event, Push | PullRequest):
        return pushed_revision(event.origin, event.refs)
    return pushed_revision(event)


def _token(query: bytes) -> str:
    # Hookline's own URLs have this form; anything else takes the slow way.
    if query.startswith(b"t=") and query.endswith(b"&v=1") and query.count(b"&") == 1:
        token = query[2:-4].decode("latin-1")[:_TOKEN_LIMIT]
        if "%" not in token:
            return token
    try:
        values = parse_qs(query.decode("latin-1"), max_num_fields=10).get("t", [])
    except ValueError:
        return ""
    return values[0][:_TOKEN_LIMIT] if len(values) == 1 else ""


async def _read_rest(begun: bytes, arrival: Arrival, receive: Receive, limit: int) -> bytes:
    body = bytearray(begun)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while len(body) <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _hung_up(arrival)
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise Refused(Verdict.TOO_SLOW, _TOO_SLOW) from error
    return bytes(body)


def _hung_up(arrival: Arrival) -> Refused:
    # It is the protocol that gives up on a body of which nothing comes.
    if time.perf_counter() - arrival.began > _BODY_TIMEOUT_S:
        return Refused(Verdict.TOO_SLOW, _TOO_SLOW)
    return Refused(Verdict.NOT_JSON, "the sender hung up before the body's end")


def _authenticate(target: Target, arrival: Arrival) -> None:
    if target.webhook.authentication is Authentication.GITHUB_HMAC:
        arrival.event_key = check_signature(target.secret, arrival.headers, arrival.body)
        arrival.signed = True
    else:
        arrival.event_key = header_fields.delivery_id(arrival.headers)
    arrival.authenticated = True


def judge_event(target: Target, arrival: Arrival) -> Start:
    """What an authentic delivery is to start, by its event. Refuses one that starts nothing."""
    event = parse_event(arrival.body, arrival.headers.get(b"content-type", b""))
    _mark(arrival)
    check_starts_something(target, arrival)
    apply_filters(target, arrival, event)
    matched = apply_triggers(target, arrival, event)
    _mark(arrival)
    return start_of(target, arrival, matched)


def _judge_large(target: Target, arrival: Arrival) -> Start | Refused:
    """`judge_event` for a thread, where the event also ends."""
    # Objects of one event are no garbage, and to look through them again and again costs most.
    gc.disable()
    try:
        return judge_event(target, arrival)
    except Refused as refused:
        # Its frames hold the event.
        return refused.with_traceback(None)
    finally:
        gc.enable()


def check_starts_something(target: Target, arrival: Arrival) -> None:
    """Refuse a ping, and a delivery whose target is gone."""
    if arrival.headers.get(b"x-github-event") == b"ping":
        raise Refused(Verdict.PING)
    if target.configuration is None:
        webhook = target.webhook
        raise Refused(
            Verdict.NO_TARGET,
            f"pipeline {webhook.target_pipeline} with action {webhook.target_action} in its first "
            "stage no longer exists",
        )


def apply_filters(target: Target, arrival: Arrival, event: Any) -> None:
    """Note what each filter saw. Refuses the event that does not pass them all."""
    configuration = target.configuration or {}
    arrival.filters = [match(rule, event, configuration) for rule in target.filters]
    for trace in arrival.filters:
        if trace.reason is not None:
            raise Refused(Verdict.FILTERED, trace.reason)


def apply_triggers(target: Target, arrival: Arrival, event: Any) -> Any:
    """Note what the pipeline's triggers saw. Refuses the event that matches none of them.

    Returns the push or pull request that has matched; the event where there are no triggers.
    """
    if not target.triggers:
        return event
    event_key = arrival.headers.get(b"x-event-key", b"").decode("latin-1")
    judgement = judge(target.triggers, event, event_key)
    arrival.triggers = judgement.traces
    if judgement.matched is None:
        raise Refused(Verdict.FILTERED, why_none_matched(judgement.traces))
    return judgement.matched


def entry_of(
    target: Target,
    arrival: Arrival,
    verdict: Verdict,
    reason: str | None,
    start: Start | None = None,
) -> Entry:
    """The judged delivery, as it is recorded; the body only where it is trusted."""
    return Entry(
        delivery_id=arrival.id,
        webhook_id=target.webhook.id,
        received_at=arrival.received_at,
        duration=time.perf_counter() - arrival.began,
        verdict=verdict.name,
        authentication=target.webhook.authentication.value,
        authenticated=arrival.authenticated,
        reason=reason,
        filters=arrival.filters,
        triggers=arrival.triggers,
        remote=arrival.address,
        headers=arrival.headers,
        body_size=arrival.body_size,
        body=None if verdict.refused else arrival.body,
        start=start,
        steps=tuple(map(sub, arrival.marks, (arrival.began, *arrival.marks))),
    )


_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
)
# Where the body may still be on its way: nobody is going to read it.
_CLOSE = (b"connection", b"close")
_RETRY_AFTER = (b"retry-after", b"5")
_MORE_HEADERS = {
    Verdict.NOT_POST: ((b"allow", b"POST"), _CLOSE),
    Verdict.OVER_RATE: (_RETRY_AFTER, _CLOSE),
    Verdict.ADDRESS_NOT_ALLOWED: (_CLOSE,),
    Verdict.BAD_ENCODING: (_CLOSE,),
    Verdict.TOO_LARGE: (_CLOSE,),
    Verdict.TOO_SLOW: (_CLOSE,),
    Verdict.UNAVAILABLE: (_RETRY_AFTER,),
}


async def _respond(send: Send, answer: Answer) -> None:
    verdict = answer.verdict
    content = {
        "deliveryId": answer.delivery_id,
        "outcome": verdict.outcome,
        "message": verdict.reason,
    }
    if answer.execution_id is not None:
        content["pipelineExecutionId"] = answer.execution_id
    body = orjson.dumps(content)
    headers = [
        (b"content-length", b"%d" % len(body)),
        *_HEADERS,
        *_MORE_HEADERS.get(verdict, ()),
    ]
    await send({"type": "http.response.start", "status": verdict.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
