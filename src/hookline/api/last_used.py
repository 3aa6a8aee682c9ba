"""When each access key was last used, written beside the calls: none of them waits for it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock

from hookline.errors import StoreUnavailableError
from hookline.store import credentials
from hookline.store.database import Database

INTERVAL = 60.0
"""The least time between two writes for one key, in seconds."""


class LastUsed:
    """Writes at most once a minute for each key, in a thread of its own; a failure is ignored."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[str, float] = {}
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "last-used")

    def note(self, access_key_id: str) -> None:
        """A call was signed with this key. Returns at once, from any thread."""
        now = self._clock()
        with self._lock:
            if now - self._noted.get(access_key_id, 0.0) < INTERVAL:
                return
            self._noted[access_key_id] = now
        with suppress(RuntimeError):  # closed: the server is about to end
            self._thread.submit(self._write, access_key_id, now)

    def close(self) -> None:
        """Wait for the write under way. What waits behind it is lost: a stop must not take long."""
        self._thread.shutdown(cancel_futures=True)

    def _write(self, access_key_id: str, now: float) -> None:
        with suppress(StoreUnavailableError), self._database.write() as connection:
            credentials.touch(connection, access_key_id, now)
