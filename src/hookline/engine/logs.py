"""The logs of the actions that run on this node, on their way to the store."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack

import structlog

from hookline.actions.log import LogSink
from hookline.errors import StoreUnavailableError
from hookline.store import action_executions, action_logs
from hookline.store.action_executions import ActionExecution
from hookline.store.action_logs import CHUNK, Part
from hookline.store.database import Database

_EVERY_S = 1.0
_PAUSE_S = 0.5
# Beyond that, output stays in the action's pipe, and the action waits.
_MOST_KEPT = 4 * CHUNK
_log = structlog.get_logger()


class RunningLogs:
    """Writes to the store what the actions of a node instance write, a second later at most.

    What is left when an action ends is for the transaction that notes its outcome. Only what is
    still this instance's, in the same attempt, is written to.
    """

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance
        self._open: dict[str, _Log] = {}
        self._lock = threading.Lock()
        self._has_unwritten = threading.Event()

    def open(self, held: ActionExecution, stop: threading.Event) -> LogSink:
        """The log of an action that begins. It waits for no store once `stop` is set.

        Raises StoreUnavailableError.
        """
        length = 0
        if held.attempt > 1:
            with self._database.read() as connection:
                length = action_logs.length(connection, held.id)
        log = _Log(self, held, length, stop)
        with self._lock:
            self._open[held.id] = log
        return log

    def close(self, held: ActionExecution) -> Part | None:
        """What of an action that has ended is still to be written; None where nothing is."""
        with self._lock:
            log = self._open.pop(held.id, None)
        if log is None:
            return None
        with log.writing:
            return log.unwritten()

    def run(self, stop: threading.Event) -> None:
        """Write what there is every second, until `stop` is set."""
        while True:
            self._has_unwritten.wait()
            if stop.wait(_EVERY_S):
                return
            self._has_unwritten.clear()
            try:
                self._write_all()
            except StoreUnavailableError as error:
                _log.warning("logs of actions not written; trying again", reason=error.message)
            except Exception:  # noqa: BLE001 - without the thread, no log could be followed
                _log.exception("logs of actions not written; trying again")

    def note_unwritten(self) -> None:
        """There is something to write."""
        self._has_unwritten.set()

    def _write_all(self) -> None:
        with self._lock:
            logs = list(self._open.values())
        with ExitStack() as stack:
            free = []
            for log in logs:
                # Otherwise its own thread writes it now, or it has ended.
                if log.writing.acquire(blocking=False):
                    stack.callback(log.writing.release)
                    free.append(log)
            try:
                self.write(free)
            finally:
                if any(log.has_unwritten for log in free):
                    self._has_unwritten.set()

    def write(self, logs: Sequence["_Log"]) -> None:
        """Write what is unwritten of logs, but for those that aren't this node's now.

        The caller holds the locks `writing` of all of them. Raises StoreUnavailableError.
        """
        parts = {log: part for log in logs if (part := log.unwritten()) is not None}
        if not parts:
            return
        ids = [part.action_execution_id for part in parts.values()]
        with self._database.write() as connection:
            attempts = action_executions.hold(connection, self._instance, ids)
            for log, part in list(parts.items()):
                if attempts.get(log.held.id) == log.held.attempt:
                    action_logs.append(connection, part)
                else:
                    del parts[log]
        for log, part in parts.items():
            log.forget(part)


class _Log:
    """See LogSink. A thread that writes its bytes to the store holds `writing` meanwhile."""

    def __init__(
        self, logs: RunningLogs, held: ActionExecution, length: int, stop: threading.Event
    ) -> None:
        self.held = held
        self.writing = threading.Lock()
        self._logs = logs
        self._stop = stop
        self._lock = threading.Lock()
        self._start = length
        self._kept = bytearray()
        self._is_cut = False

    @property
    def length(self) -> int:
        with self._lock:
            return self._start + len(self._kept)

    def append(self, data: bytes) -> None:
        if self._is_cut:
            return
        with self._lock:
            self._kept += data
            is_full = len(self._kept) >= _MOST_KEPT
        self._logs.note_unwritten()
        if is_full:
            self._make_room()

    def _make_room(self) -> None:
        """Write what is kept; if that fails until the action is stopped, keep nothing more."""
        while not self._is_written():
            if self._stop.wait(_PAUSE_S):
                self._is_cut = True
                return

    def _is_written(self) -> bool:
        with self.writing:
            try:
                self._logs.write([self])
            except StoreUnavailableError as error:
                _log.warning("action waits to write its log", reason=error.message)
                return False
            return not self.has_unwritten

    @property
    def has_unwritten(self) -> bool:
        return bool(self._kept)

    def unwritten(self) -> Part | None:
        """What is not known to be written; None where there is nothing."""
        with self._lock:
            return Part(self.held.id, self._start, bytes(self._kept)) if self._kept else None

    def forget(self, written: Part) -> None:
        """Keep only what follows a part that was written."""
        with self._lock:
            del self._kept[: len(written.data)]
            self._start += len(written.data)
