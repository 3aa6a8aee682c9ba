"""Which parts of a server work: the answer of /healthz."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog

from hookline.errors import StoreUnavailableError
from hookline.scoreboard import Slot
from hookline.store import credentials, dialect
from hookline.store.database import Database
from hookline.store.node_state import NodeState

# The answer comes within a second, whatever the parts do.
_STORE_TIMEOUT_S = 0.8
_SILENCE_S = 5.0
_log = structlog.get_logger()


class Health:
    """Asks the parts; used from one event loop.

    The store is asked by one thread of its own, so that one that does not answer takes no others.
    """

    def __init__(self, database: Database, state: NodeState, recorder: Slot) -> None:
        self._database = database
        self._state = state
        self._recorder = recorder
        self._thread = ThreadPoolExecutor(1, "health")
        self._asked: asyncio.Future[bool] | None = None

    async def parts(self) -> dict[str, bool]:
        """Each part, and whether it works."""
        return {
            "store": await self._store_answers(),
            "recorder": self._recorder.silence < _SILENCE_S,
            "engine": self._state.engine_age() < _SILENCE_S,
        }

    def close(self) -> None:
        """Ask no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _store_answers(self) -> bool:
        if self._asked is None or self._asked.done():
            loop = asyncio.get_running_loop()
            self._asked = loop.run_in_executor(self._thread, self._ask_store)
        asked = self._asked
        await asyncio.wait({asked}, timeout=_STORE_TIMEOUT_S)
        return asked.done() and asked.result()

    def _ask_store(self) -> bool:
        try:
            with self._database.read() as connection:
                credentials.count(connection)
                dialect.check_writable(connection)
        except StoreUnavailableError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing can be stored
            _log.error("the store can't be used", reason=type(error).__name__)
            return False
        return True
