"""The HTTP application of a worker: the trigger URL, the API and logs, put together."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hookline.api import action_logs, cbor, sessions
from hookline.api.action_logs import ActionLogs
from hookline.api.authentication import Authentication
from hookline.api.dependencies import Dependencies
from hookline.api.endpoint import Endpoint
from hookline.api.last_used import LastUsed
from hookline.api.operations import served
from hookline.api.pagination import PageTokens
from hookline.config import Settings
from hookline.health import Health
from hookline.installation import open_seal, open_state
from hookline.model import Credential, Scope
from hookline.receiver import endpoint as receiver
from hookline.receiver.recorder.client import RecorderClient
from hookline.receiver.recorder.metrics import FILE as METRICS_FILE
from hookline.receiver.recorder.metrics import log_figures
from hookline.receiver.targets import Targets
from hookline.scoreboard import RECORDER, Scoreboard, Slot
from hookline.store import credentials
from hookline.store.database import Database

_BEAT_EVERY_S = 1.0
# A path that no route has: what the other port serves is not found on this one.
_NOWHERE = "/-"


class Application:
    """The ASGI application of one HTTP worker: the trigger URL first, then the API.

    The trigger URL is told apart before any framework sees the request (docs/adr/0002).
    """

    def __init__(self, settings: Settings, scoreboard: Scoreboard, slot: Slot) -> None:
        self._scoreboard = scoreboard
        self._slot = slot
        self._receiver_port = settings.receiver_port
        self._metrics_file = settings.data_dir / METRICS_FILE
        self._database = Database(settings.database)
        self._seal = open_seal(settings)
        self._state = open_state(settings)
        self._recorder = RecorderClient(settings.data_dir)
        self._health = Health(self._database, self._state, scoreboard.slot(RECORDER))
        self._receiver = receiver.Receiver(
            Targets(self._database, self._seal, self._state), self._recorder, settings
        )
        self._last_used = LastUsed(self._database)
        self._authentication = Authentication(
            self._credential,
            verify=settings.verify_credentials,
            default_scope=Scope(settings.account, settings.region),
            sessions=functools.partial(sessions.opened, self._seal),
            used=self._last_used.note,
        )
        api = self._api(settings)
        logs = ActionLogs(self._database, self._authentication)
        self._framework = Starlette(
            routes=[
                Route("/", api.__call__, methods=["POST"]),
                Route(cbor.PATH, api.__call__, methods=["POST"]),
                Route(action_logs.PATH, logs.__call__, methods=["GET"]),
                Route("/healthz", self._answer_health, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ],
            lifespan=self._lifespan,
        )
        # A redirect would go to whatever Host a stranger names.
        self._framework.router.redirect_slashes = False

    async def __call__(
        self, scope: receiver.Scope, receive: receiver.Receive, send: receiver.Send
    ) -> None:
        """Answer one request, or take part in the server's start and stop."""
        if scope["type"] == "http" and self._scoreboard.draining:
            send = _closing(send)
        if scope["type"] == "http" and scope["path"] == receiver.PATH:
            if self._receiver_port in {0, scope["server"][1]}:
                await self._receiver(scope, receive, send)
                return
            scope["path"] = _NOWHERE
        elif scope["type"] == "http" and scope["server"][1] == self._receiver_port:
            scope["path"] = _NOWHERE
        await self._framework(scope, receive, send)

    def _api(self, settings: Settings) -> Endpoint:
        dependencies = Dependencies(
            database=self._database,
            seal=self._seal,
            state=self._state,
            settings=settings,
            page_tokens=PageTokens(self._seal.derived_key("page-tokens")),
        )
        return Endpoint(served(dependencies), self._authentication)

    def _credential(self, access_key_id: str) -> Credential | None:
        with self._database.read() as connection:
            return credentials.find(connection, self._seal, access_key_id)

    async def _answer_health(self, _request: Request) -> JSONResponse:
        parts = await self._health.parts()
        status = "ready" if all(parts.values()) else "not ready"
        if self._scoreboard.draining:
            status = "draining"
        return JSONResponse(
            {"status": status, **parts}, status_code=200 if status == "ready" else 503
        )

    async def _metrics(self, _request: Request) -> Response:
        try:
            figures = await anyio.to_thread.run_sync(self._metrics_file.read_bytes)
        except FileNotFoundError:
            figures = b""
        figures += log_figures(self._scoreboard.lines_lost)
        return Response(figures, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _beat(self) -> None:
        while True:
            self._slot.beat()
            await asyncio.sleep(_BEAT_EVERY_S)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        beating = asyncio.create_task(self._beat())
        await self._recorder.open()
        # What exists now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        yield
        # The server has answered what was in flight; what nobody waits for is still to be sent.
        await self._recorder.close()
        beating.cancel()
        self._health.close()
        self._last_used.close()
        self._database.close()


def _closing(send: receiver.Send) -> receiver.Send:
    """Have the client connect anew for its next request: to another server, where there is one."""

    async def send_closing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return send_closing
