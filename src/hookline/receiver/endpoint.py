"""The trigger URL, `POST /trigger?t=<token>&v=1`: a plain ASGI function, one list of steps."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson

from hookline.config import Settings
from hookline.errors import StoreUnavailableError
from hookline.executions.start import Start
from hookline.model import Authentication, Trigger, Verdict, new_id
from hookline.receiver.authentication import check_address, check_signature, client_address
from hookline.receiver.filters import FilterTrace, match
from hookline.receiver.payload import parse_event
from hookline.receiver.recorder import Entry, QueueFullError, Recorder
from hookline.receiver.refusal import Refused
from hookline.receiver.revision import pushed_revision
from hookline.receiver.targets import Target, Targets
from hookline.store.deliveries import Delivery, dedupe_key

PATH = "/trigger"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TOKEN_LIMIT = 100
_BODY_TIMEOUT_S = 30
_RETRY_AFTER_S = b"5"
_DELIVERY_IDS = ("x-github-delivery", "x-gitea-delivery", "x-gitlab-event-uuid", "x-request-uuid")
_EVENT_NAMES = ("x-github-event", "x-gitea-event", "x-gitlab-event", "x-event-key")
_MASKED = ("authorization", "cookie", "token", "secret", "signature", "key", "password")
_HEADER_LIMIT = 1_000
_NAME_LIMIT = 100


@dataclass(slots=True)
class Arrival:
    """A delivery on its way through the steps: what came in, and what has been found out."""

    headers: dict[str, str]
    peer: str
    id: str = field(default_factory=new_id)
    received_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.perf_counter)
    address: str = ""
    body: bytes = b""
    body_size: int = 0
    authenticated: str | None = None
    event_key: str | None = None
    filters: list[FilterTrace] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told: never a filter's expected value, never a secret (contract T12)."""

    verdict: Verdict
    delivery_id: str
    execution_id: str | None = None


class Receiver:
    """The ASGI application of the trigger URL."""

    def __init__(self, targets: Targets, recorder: Recorder, settings: Settings) -> None:
        self._targets = targets
        self._recorder = recorder
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await _respond(send, await self._judge(scope, receive))

    async def _judge(self, scope: Scope, receive: Receive) -> Answer:
        arrival = Arrival(_joined_headers(scope), scope["client"][0] if scope["client"] else "")
        if scope["method"] != "POST":
            return Answer(Verdict.NOT_POST, arrival.id)
        try:
            target = await self._targets.find(_token(scope["query_string"]))
        except StoreUnavailableError:
            return Answer(Verdict.UNAVAILABLE, arrival.id)
        if target is None:
            return Answer(Verdict.UNKNOWN_TOKEN, arrival.id)
        try:
            self._check_address(target, arrival)
            await self._read_body(arrival, receive)
            _authenticate(target, arrival)
            event = parse_event(arrival.body, arrival.headers.get("content-type", ""))
            _check_starts_something(target, arrival)
            _filter(target, arrival, event)
        except Refused as refused:
            return self._record_refusal(target, arrival, refused)
        return await self._start(target, arrival, event)

    def _check_address(self, target: Target, arrival: Arrival) -> None:
        address = client_address(
            arrival.peer, arrival.headers.get("x-forwarded-for"), self._settings.trusted_proxies
        )
        arrival.address = str(address or arrival.peer)
        check_address(target.allowed, address)

    async def _read_body(self, arrival: Arrival, receive: Receive) -> None:
        if "content-encoding" in arrival.headers:
            raise Refused(Verdict.BAD_ENCODING)
        limit = self._settings.max_body
        announced = arrival.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            arrival.body_size = int(announced)
            raise Refused(
                Verdict.TOO_LARGE, f"the body has {announced} bytes; {limit} are accepted"
            )
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body", False):
            body = await _read_rest(body, receive, limit)
        arrival.body_size = len(body)
        if len(body) > limit:
            raise Refused(Verdict.TOO_LARGE, f"the body has more than {limit} bytes")
        arrival.body = body

    def _record_refusal(self, target: Target, arrival: Arrival, refused: Refused) -> Answer:
        verdict = refused.verdict
        keeps_body = verdict in {Verdict.FILTERED, Verdict.PING}
        delivery = _delivery(target, arrival, verdict, refused.detail, keeps_body=keeps_body)
        try:
            self._recorder.add(Entry(target.webhook, delivery))
        except QueueFullError:
            return Answer(Verdict.UNAVAILABLE, arrival.id)
        return Answer(verdict, arrival.id)

    async def _start(self, target: Target, arrival: Arrival, event: Any) -> Answer:
        webhook = target.webhook
        revision = pushed_revision(webhook.target_action, event)
        key = arrival.event_key
        entry = Entry(
            webhook=webhook,
            delivery=_delivery(target, arrival, Verdict.STARTED, None, keeps_body=True),
            start=Start(
                execution_id=new_id(),
                trigger=Trigger("Webhook", webhook.arn),
                source_revisions=() if revision is None else (revision,),
            ),
            dedupe_key=None if key is None else dedupe_key(webhook.id, key),
            answer=asyncio.get_running_loop().create_future(),
        )
        try:
            self._recorder.add(entry)
        except QueueFullError:
            return Answer(Verdict.UNAVAILABLE, arrival.id)
        assert entry.answer is not None  # noqa: S101 - made above
        delivery = await entry.answer
        return Answer(delivery.verdict, delivery.id, delivery.execution_id)


def _joined_headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # A header sent twice is one with both values (RFC 9110, 5.3); no signature survives that.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _token(query: bytes) -> str:
    # Hookline's own URLs have this form; anything else takes the slow way.
    if query.startswith(b"t=") and query.endswith(b"&v=1") and query.count(b"&") == 1:
        return query[2:-4].decode("latin-1")[:_TOKEN_LIMIT]
    try:
        values = parse_qs(query.decode("latin-1"), max_num_fields=10).get("t", [])
    except ValueError:
        return ""
    return values[0][:_TOKEN_LIMIT] if len(values) == 1 else ""


async def _read_rest(begun: bytes, receive: Receive, limit: int) -> bytes:
    parts, size = [begun], len(begun)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(Verdict.NOT_JSON, "the sender hung up before the body's end")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise Refused(
            Verdict.TOO_SLOW, f"the body took longer than {_BODY_TIMEOUT_S} seconds"
        ) from error
    return b"".join(parts)


def _authenticate(target: Target, arrival: Arrival) -> None:
    scheme = target.webhook.authentication
    if scheme is Authentication.GITHUB_HMAC and target.secret is not None:
        arrival.event_key = check_signature(target.secret, arrival.headers, arrival.body)
    else:
        arrival.event_key = _first(arrival.headers, _DELIVERY_IDS)
    arrival.authenticated = scheme.value


def _check_starts_something(target: Target, arrival: Arrival) -> None:
    if arrival.headers.get("x-github-event") == "ping":
        raise Refused(Verdict.PING)
    if target.configuration is None:
        webhook = target.webhook
        raise Refused(
            Verdict.NO_TARGET,
            f"pipeline {webhook.target_pipeline} with action {webhook.target_action} in its first "
            "stage no longer exists",
        )


def _filter(target: Target, arrival: Arrival, event: Any) -> None:
    configuration = target.configuration or {}
    arrival.filters = [match(rule, event, configuration) for rule in target.filters]
    failed = [trace for trace in arrival.filters if not trace.passed]
    if failed:
        raise Refused(Verdict.FILTERED, failed[0].reason)


def _delivery(
    target: Target, arrival: Arrival, verdict: Verdict, detail: str | None, *, keeps_body: bool
) -> Delivery:
    event = _first(arrival.headers, _EVENT_NAMES)
    sender_id = _first(arrival.headers, _DELIVERY_IDS)
    return Delivery(
        id=arrival.id,
        webhook_id=target.webhook.id,
        received_at=arrival.received_at,
        verdict=verdict,
        remote=arrival.address,
        headers=masked(arrival.headers),
        trace=_trace(target, arrival, detail),
        body_size=arrival.body_size,
        body=arrival.body if keeps_body else None,
        duration=time.perf_counter() - arrival.began,
        event=event and event[:_NAME_LIMIT],
        sender_id=sender_id and sender_id[:_NAME_LIMIT],
    )


def _trace(target: Target, arrival: Arrival, detail: str | None) -> dict[str, Any]:
    return {
        "authentication": target.webhook.authentication.value,
        "authenticated": arrival.authenticated is not None,
        "reason": detail,
        "filters": [
            {
                "jsonPath": trace.json_path,
                "found": trace.found,
                "wanted": trace.wanted,
                "passed": trace.passed,
                "reason": trace.reason,
            }
            for trace in arrival.filters
        ],
    }


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be kept: values of those that carry secrets are hidden, others cut."""
    return {
        name: "****" if any(word in name for word in _MASKED) else value[:_HEADER_LIMIT]
        for name, value in headers.items()
    }


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in headers:
            return headers[name]
    return None


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
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if verdict is Verdict.NOT_POST:
        headers.append((b"allow", b"POST"))
    if verdict in {Verdict.OVER_RATE, Verdict.UNAVAILABLE}:
        headers.append((b"retry-after", _RETRY_AFTER_S))
    await send({"type": "http.response.start", "status": verdict.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
