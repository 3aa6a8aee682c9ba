"""The one writer of this machine: whatever has arrived is committed together, then answered."""

import os
import selectors
import socket
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from hookline.errors import StoreUnavailableError
from hookline.model import Verdict
from hookline.receiver.entries import Entry, Frames, Recorded, decode_entries, frame
from hookline.receiver.recorder.backlog import Backlog
from hookline.receiver.recorder.client import SOCKET
from hookline.receiver.recorder.commit import Committer
from hookline.receiver.recorder.metrics import Metrics
from hookline.receiver.recorder.retention import Limits, Retention
from hookline.store.database import Database
from hookline.store.deliveries import Delivery

_log = structlog.get_logger()
_READ = 1 << 20
_BATCH = 256
# The others must not wait for a worker that reads no answers.
_ANSWER_TIMEOUT_S = 1.0
# What a commit takes at most, as a rule: one that begins later than that before its deadline might
# be done after the sender was told that nothing was.
_COMMIT_S = 0.5
_METRICS_EVERY_S = 1.0
_BEAT_EVERY_S = 1.0


class Recorder:
    """Takes entries from the workers of this machine and commits them in groups.

    There is no timer for those that wait: a batch is what came in during the last commit. `beat`
    is called every second or so, and before each transaction.
    """

    def __init__(
        self, database: Database, limits: Limits, folder: Path, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._beat = beat
        self._committer = Committer(limits.dedupe_window)
        self._retention = Retention(database, limits, beat)
        self._metrics = Metrics(folder)
        self._metrics_due = 0.0
        self._counted = True
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[tuple[Entry, _Worker]] = deque()
        self._backlog = Backlog()
        self._stopping = False
        self._listener = _listen(folder)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        # Python goes on with a select that a signal interrupts: it must have something to read.
        self._wake = os.eventfd(0)
        self._selector.register(self._wake, selectors.EVENT_READ, self._awake)
        self._own = len(self._selector.get_map())

    def stop(self) -> None:
        """End once the workers have hung up and what they sent is committed."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def _awake(self) -> None:
        os.eventfd_read(self._wake)

    def run(self) -> None:
        """Record until stopped."""
        while not (self._stopping and self._is_idle()):
            self._beat()
            # What has come in during the last commit makes the next batch.
            self._receive(0.0 if self._waiting else self._poll_timeout())
            if self._waiting:
                self._commit_waiting()
            if self._backlog.is_due() or self._stopping:
                self._commit_backlog()
            self._run_maintenance()

    def close(self) -> None:
        """Hang up on all workers."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        os.close(self._wake)
        self._selector.close()

    def _is_idle(self) -> bool:
        return (
            len(self._selector.get_map()) == self._own and not self._waiting and not self._backlog
        )

    def _poll_timeout(self) -> float:
        if self._stopping:
            return 0.05
        figures = max(0.0, self._metrics_due - time.monotonic()) if self._counted else _BEAT_EVERY_S
        return min(self._backlog.due_in(), self._retention.due_in(), figures, _BEAT_EVERY_S)

    def _run_maintenance(self) -> None:
        now = time.monotonic()
        if self._counted and now >= self._metrics_due:
            self._counted = False
            self._metrics_due = now + _METRICS_EVERY_S
            self._metrics.waiting(len(self._waiting) + len(self._backlog))
            self._metrics.write()
        if self._retention.due_in() == 0.0:
            try:
                self._retention.step()
            except Exception as error:  # noqa: BLE001 - the receiving path must not end with it
                _log.error("nothing forgotten", reason=_reason(error))
                self._retention.rest()

    def _receive(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            handle: Callable[[], None] = key.data
            handle()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        worker = _Worker(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(worker))

    def _read(self, worker: "_Worker") -> None:
        entries = worker.read()
        if entries is None:
            self._selector.unregister(worker.connection)
            worker.connection.close()
            return
        for entry in entries:
            if entry.start is None:
                self._backlog.add(entry)
            else:
                self._waiting.append((entry, worker))

    def _commit_waiting(self) -> None:
        batch = self._take_waiting()
        if not batch:
            return
        recorded = self._commit([entry for entry, _ in batch])
        if recorded is None:
            # Who came meanwhile would wait as long for nothing.
            batch += self._waiting
            self._waiting.clear()
            recorded = [_unavailable(entry) for entry, _ in batch]
        answers: dict[_Worker, list[Recorded]] = defaultdict(list)
        for (_, worker), answer in zip(batch, recorded, strict=True):
            answers[worker].append(answer)
        for worker, values in answers.items():
            worker.answer(values)

    def _take_waiting(self) -> "list[tuple[Entry, _Worker]]":
        count = min(_BATCH, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        # The other senders have been told to try again: what began now might begin twice.
        now = time.monotonic()
        return [(entry, worker) for entry, worker in taken if entry.deadline - _COMMIT_S > now]

    def _commit_backlog(self) -> None:
        while self._backlog:
            entries = self._backlog.take()
            if self._commit(entries) is None and not self._stopping:
                self._backlog.put_back(entries)
                self._metrics.dropped(self._backlog.dropped)
                return

    def _commit(self, entries: Sequence[Entry]) -> list[Recorded] | None:
        """Record entries; None when the store can't be reached now."""
        self._beat()
        began = time.perf_counter()
        self._counted = True
        try:
            with self._database.write() as connection:
                _check_deadlines(entries)
                committed = self._committer.commit(connection, entries)
        except StoreUnavailableError as error:
            _log.error("deliveries not recorded", count=len(entries), reason=error.message)
            self._metrics.failed()
            return None
        except Exception as error:  # noqa: BLE001 - whatever it was, the senders must get an answer
            return self._commit_each(entries, error)
        took = time.perf_counter() - began
        self._metrics.committed(entries, [item.verdict.name for item in committed], took)
        for delivery in committed:
            _log_delivery(delivery)
        return [Recorded(item.id, item.verdict.name, item.execution_id) for item in committed]

    def _commit_each(self, entries: Sequence[Entry], error: Exception) -> list[Recorded]:
        """Record entries one by one, as one of them can't be: the others must not suffer for it."""
        if len(entries) > 1:
            return [
                recorded
                for entry in entries
                for recorded in self._commit([entry]) or [_unavailable(entry)]
            ]
        _log.error(
            "delivery not recorded",
            delivery=entries[0].delivery_id,
            reason=type(error).__name__,
            stack="".join(traceback.format_tb(error.__traceback__)),
        )
        self._metrics.failed()
        return [_unavailable(entries[0])]


def _unavailable(entry: Entry) -> Recorded:
    return Recorded(entry.delivery_id, Verdict.UNAVAILABLE.name, None)


def _check_deadlines(entries: Sequence[Entry]) -> None:
    if min(entry.deadline for entry in entries) - _COMMIT_S < time.monotonic():
        raise StoreUnavailableError("The store was free too late for who waits. Try again.")


class _Worker:
    """The recorder's end of a worker's connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_ANSWER_TIMEOUT_S)
        self.connection = connection
        self._frames = Frames()

    def read(self) -> list[Entry] | None:
        """The entries that have come in; None when the worker hung up."""
        try:
            data = self.connection.recv(_READ)
        except OSError:
            return None
        if not data:
            return None
        return [entry for content in self._frames.feed(data) for entry in decode_entries(content)]

    def answer(self, values: list[Recorded]) -> None:
        """Tell the worker what became of its entries; it may have died or stopped meanwhile."""
        try:
            self.connection.sendall(frame(values))
        except OSError:
            # Half a frame was perhaps sent. A worker that is there connects and asks again.
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def _listen(folder: Path) -> socket.socket:
    # Through the folder's descriptor, since a socket's path may have 107 bytes only.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    with suppress(FileNotFoundError):
        os.unlink(SOCKET, dir_fd=descriptor)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    earlier = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
    finally:
        os.umask(earlier)
        os.close(descriptor)
    listener.listen()
    return listener


def _reason(error: Exception) -> str:
    # Another exception's text may hold parameters, and those what nobody should read.
    return error.message if isinstance(error, StoreUnavailableError) else type(error).__name__


def _log_delivery(delivery: Delivery) -> None:
    _log.info(
        "delivery",
        delivery=delivery.id,
        webhook=delivery.webhook_id,
        verdict=delivery.verdict.name.lower(),
        remote=delivery.remote,
        sender_event=delivery.event,
        size=delivery.body_size,
        execution=delivery.execution_id,
    )
