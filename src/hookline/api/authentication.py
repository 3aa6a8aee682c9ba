"""Who sent a request, for all that the API's port answers."""

import time
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import ClientDisconnect, Request

from hookline.api import sigv4
from hookline.errors import RequestEntityTooLargeException, SerializationException
from hookline.model import Scope


class Authentication:
    """Tells who sent a request, by its signature.

    `credential` finds an access key, `sessions` a session by its token; `used` is told, and must
    return at once, which key signed a request. With `verify` off every request is believed: only
    for loopback binds. What a request then leaves unsaid is taken from `default_scope`. `clock`
    gives epoch seconds.
    """

    def __init__(  # noqa: PLR0913 -- settings of one object, each named where it is made
        self,
        credential: sigv4.Lookup,
        *,
        verify: bool,
        default_scope: Scope,
        sessions: sigv4.Sessions = sigv4.no_sessions,
        used: Callable[[str], None] = lambda _access_key_id: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._verify = verify
        self._default_scope = default_scope
        self._sessions = sessions
        self._used = used
        self._clock = clock

    def caller(self, received: sigv4.Received, service: str) -> sigv4.Caller:
        """Who signed the request for `service`, AWS's name of one as in `codepipeline`.

        Raises what `sigv4.verify` does, and StoreUnavailableError.
        """
        if not self._verify:
            scope = sigv4.claimed_scope(
                received, self._credential, self._default_scope, self._sessions
            )
            return sigv4.Caller(scope)
        caller = sigv4.verify(received, service, self._credential, self._clock(), self._sessions)
        if caller.credential is not None:
            self._used(caller.credential.access_key_id)
        return caller


def head(request: Request) -> sigv4.Received:
    """The request as it came in, without its body."""
    return sigv4.Received(
        method=request.method,
        path=request.scope.get("raw_path", b"/").decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in request.headers.raw
        ),
        body=b"",
    )


async def receive(request: Request, max_body: int) -> sigv4.Received:
    """The request as it came in, with a body of at most `max_body` bytes.

    Raises RequestEntityTooLargeException, or SerializationException for a body that ended early.
    """
    return replace(head(request), body=await _read_body(request, max_body))


async def _read_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise RequestEntityTooLargeException(
                    f"The request body is larger than {limit} bytes."
                )
    except ClientDisconnect:
        raise SerializationException("The request body ended early.") from None
    return bytes(body)
