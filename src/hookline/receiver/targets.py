"""What a webhook's URL leads to, compiled and unsealed once and kept until a definition changes."""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping

import structlog
from sqlalchemy import Connection

from hookline.errors import HooklineError, StoreUnavailableError
from hookline.model import Webhook, triggers_of
from hookline.receiver.filters import compile_filters
from hookline.receiver.git_triggers import TriggerRule, compile_trigger
from hookline.receiver.judge import Target
from hookline.sealing import Seal
from hookline.store import pipelines, webhooks
from hookline.store.database import Database
from hookline.store.node_state import NodeState
from hookline.store.pipeline_secrets import without_secrets

_log = structlog.get_logger()
_KEPT = 8_192
# On this machine a change is seen at once; what another machine changed, within this (contract D2).
_MAX_AGE_S = 0.9
# A sender waits for ten seconds, and the recorder has its time, too.
_LOAD_LIMIT_S = 4.0


class Targets:
    """Finds targets by token; used from one event loop."""

    def __init__(self, database: Database, seal: Seal, state: NodeState) -> None:
        self._database = database
        self._seal = seal
        self._state = state
        self._kept: OrderedDict[str, tuple[float, Target | None]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Target | None]] = {}
        self._generation = -1

    def kept(self, token: str) -> Target | None:
        """The target of a token, if it is cached and certainly up to date."""
        return self._cached(token)[1]

    def _cached(self, token: str) -> tuple[bool, Target | None]:
        """Whether it is known what the token leads to, and that; it may be nothing."""
        if self._state.generation != self._generation:
            self._generation = self._state.generation
            self._kept.clear()
            self._loading.clear()
        kept = self._kept.get(token)
        if kept is None or time.monotonic() - kept[0] > _MAX_AGE_S:
            return False, None
        return True, kept[1]

    async def find(self, token: str) -> Target | None:
        """The target of a URL's token; None when no webhook has it. Raises StoreUnavailableError.

        A token that Hookline never made is told by its check alone, without the store.
        """
        known, target = self._cached(token)
        if known or not self._seal.is_token(token):
            return target
        return await self._load(token)

    async def _load(self, token: str) -> Target | None:
        loading = self._loading.get(token)
        if loading is None:
            loading = asyncio.ensure_future(asyncio.to_thread(self._read, token))
            self._loading[token] = loading
            loading.add_done_callback(lambda task: self._keep(token, task))
        try:
            async with asyncio.timeout(_LOAD_LIMIT_S):
                return await asyncio.shield(loading)
        except TimeoutError as error:
            raise StoreUnavailableError from error

    def _keep(self, token: str, task: asyncio.Task[Target | None]) -> None:
        # A load that began before the last change may have read the old definition.
        if self._loading.get(token) is not task:
            return
        del self._loading[token]
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            _log.warning("webhook not read", reason=_reason(error))
            return
        self._kept[token] = (time.monotonic(), task.result())
        self._kept.move_to_end(token)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def _read(self, token: str) -> Target | None:
        with self._database.read() as connection:
            webhook = webhooks.find_by_token(connection, self._seal, token)
            return None if webhook is None else target_of(connection, webhook)


def _reason(error: BaseException) -> str:
    # Another exception's text may hold parameters, and those what nobody should read.
    return error.message if isinstance(error, HooklineError) else type(error).__name__


def target_of(connection: Connection, webhook: Webhook) -> Target:
    """The target that `webhook` is now. Raises jsonpath.CompileError."""
    secret, allowed = webhook.secret_token, webhook.allowed_ip_range
    configuration, triggers = _aim(connection, webhook)
    return Target(
        webhook=webhook,
        secret=(secret or "").encode(),
        allowed=None if allowed is None else ipaddress.ip_network(allowed),
        filters=compile_filters(webhook.filters),
        configuration=configuration,
        triggers=triggers,
    )


def _aim(
    connection: Connection, webhook: Webhook
) -> tuple[Mapping[str, str] | None, tuple[TriggerRule, ...]]:
    """The target action's configuration without secrets, and the filters of the trigger on it."""
    pipeline = pipelines.find(connection, webhook.scope, webhook.target_pipeline)
    action = None if pipeline is None else pipeline.source_action(webhook.target_action)
    if pipeline is None or action is None:
        return None, ()
    # A filter that names a secret would put it, sealed, into the decision trace.
    configuration = without_secrets(action.configuration)
    triggers = triggers_of(pipeline.declaration)
    return configuration, compile_trigger(triggers, action.name, configuration)
