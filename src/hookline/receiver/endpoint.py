"""The trigger URL, `POST /trigger?t=<token>&v=1`: a plain ASGI function, up to the judgement."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson

from hookline.config import Settings
from hookline.errors import StoreUnavailableError
from hookline.model import Verdict
from hookline.receiver import headers as header_fields
from hookline.receiver.authentication import (
    Address,
    address_text,
    check_address,
    client_address,
    sender_key,
)
from hookline.receiver.entries import Entry
from hookline.receiver.judge import Request, Target, entry_of, judge
from hookline.receiver.protocol import SHED
from hookline.receiver.rates import Rate
from hookline.receiver.recorder.client import QueueFullError, RecorderClient
from hookline.receiver.refusal import Refused
from hookline.receiver.targets import Targets

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


class Answer(msgspec.Struct, frozen=True):
    """What the sender is told: never a filter's expected value, never a secret (contract T12)."""

    verdict: Verdict
    delivery_id: str
    execution_id: str | None = None


class Receiver:
    """The ASGI application of the trigger URL."""

    def __init__(self, targets: Targets, recorder: RecorderClient, settings: Settings) -> None:
        self._targets = targets
        self._recorder = recorder
        self._max_body = settings.max_body
        self._trusted_proxies = settings.trusted_proxies
        self._rate = Rate(settings.rate)
        self._address_rate = Rate(settings.address_rate)
        # One at a time: an event takes many times the memory of its body.
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await _respond(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        request, address = self._request(scope)
        if scope["method"] != "POST":
            return Answer(Verdict.NOT_POST, request.id)
        token = _token(scope["query_string"])
        target = self._targets.kept(token)
        if target is None:
            try:
                target = await self._targets.find(token)
            except StoreUnavailableError:
                return Answer(Verdict.UNAVAILABLE, request.id)
        if target is None:
            return Answer(Verdict.UNKNOWN_TOKEN, request.id)
        try:
            self._check_rates(target, request)
            check_address(target.allowed, address)
            await self._read_body(request, receive)
        except Refused as refused:
            if SHED in scope:
                # What was answered 503 is not recorded.
                return Answer(Verdict.UNAVAILABLE, request.id)
            return await self._record(refused.verdict, entry_of(target, request, refused))
        request.end_step("read")
        return await self._record(*await self._judge(target, request))

    async def _judge(self, target: Target, request: Request) -> tuple[Verdict, Entry]:
        if request.body_size <= _LARGE:
            return judge(target, request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._large, _judge_large, target, request)

    async def _record(self, verdict: Verdict, entry: Entry) -> Answer:
        try:
            if entry.start is None:
                self._recorder.note(entry)
                return Answer(verdict, entry.delivery_id)
            recorded = await self._recorder.record(entry)
        except QueueFullError:
            return Answer(Verdict.UNAVAILABLE, entry.delivery_id)
        return Answer(Verdict[recorded.verdict], entry.delivery_id, recorded.execution_id)

    def _request(self, scope: Scope) -> tuple[Request, Address | None]:
        began, received_at = time.perf_counter(), time.time()
        headers = header_fields.joined(scope["headers"])
        peer = scope["client"][0] if scope["client"] else ""
        forwarded_for = headers.get(b"x-forwarded-for")
        address = client_address(peer, forwarded_for, self._trusted_proxies)
        shown = peer if address is None else address_text(address)
        return Request(headers, shown, received_at, began), address

    def _check_rates(self, target: Target, request: Request) -> None:
        # First the address's: what it sends too often must not use up the webhook's rate.
        if not self._address_rate.allows(sender_key(request.address), request.began):
            raise Refused(Verdict.OVER_RATE, "the rate of the sender's address is exceeded")
        if not self._rate.allows(target.webhook.id, request.began):
            raise Refused(Verdict.OVER_RATE, "the webhook's rate is exceeded")

    async def _read_body(self, request: Request, receive: Receive) -> None:
        if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(Verdict.BAD_ENCODING)
        limit = self._max_body
        announced = request.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            request.body_size = min(int(announced), _SIZE_SHOWN)
            raise Refused(
                Verdict.TOO_LARGE, f"the body has {int(announced)} bytes; {limit} are accepted"
            )
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _hung_up(request)
        body = message.get("body", b"")
        if message.get("more_body", False):
            body = await _read_rest(body, request, receive, limit)
        request.body_size = len(body)
        if len(body) > limit:
            raise Refused(Verdict.TOO_LARGE, f"the body has more than {limit} bytes")
        request.body = body


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


async def _read_rest(begun: bytes, request: Request, receive: Receive, limit: int) -> bytes:
    body = bytearray(begun)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while len(body) <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _hung_up(request)
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise Refused(Verdict.TOO_SLOW, _TOO_SLOW) from error
    return bytes(body)


def _hung_up(request: Request) -> Refused:
    # It is the protocol that gives up on a body of which nothing comes.
    if time.perf_counter() - request.began > _BODY_TIMEOUT_S:
        return Refused(Verdict.TOO_SLOW, _TOO_SLOW)
    return Refused(Verdict.NOT_JSON, "the sender hung up before the body's end")


def _judge_large(target: Target, request: Request) -> tuple[Verdict, Entry]:
    """`judge` for a thread, where the event also ends."""
    # Objects of one event are no garbage, and to look through them again and again costs most.
    gc.disable()
    try:
        return judge(target, request)
    finally:
        gc.enable()


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
