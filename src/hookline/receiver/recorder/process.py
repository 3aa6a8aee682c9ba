"""The one writer of this machine: whatever has arrived is committed together, then answered."""

import functools
import os
import selectors
import socket
import time
import traceback
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import Connection

from hookline.errors import StoreUnavailableError
from hookline.executions.start import Start as ExecutionStart
from hookline.executions.start import start
from hookline.model import Pipeline, Scope, SourceRevision, Trigger, Verdict
from hookline.receiver.backlog import Backlog
from hookline.receiver.entries import (
    Entry,
    Frames,
    Recorded,
    Revision,
    Start,
    decode_entries,
    frame,
)
from hookline.receiver.headers import kept_headers
from hookline.receiver.metrics import Metrics
from hookline.receiver.recording import SOCKET
from hookline.receiver.retention import Limits, Retention
from hookline.receiver.trace import trace_of
from hookline.store import deliveries, pipelines, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery

_log = structlog.get_logger()
_READ = 1 << 20
_BATCH = 256
# The others must not wait for a worker that reads no answers.
_ANSWER_PATIENCE_S = 1.0
# What a commit takes at most, as a rule: one that begins later than that before its deadline might
# be done after the sender was told that nothing was.
_COMMIT_S = 0.5
_METRICS_EVERY_S = 1.0
_BEAT_EVERY_S = 1.0
_PIPELINES_KEPT = 1_000


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
        self._window = limits.dedupe_window
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
            self._receive(0.0 if self._waiting else self._patience())
            if self._waiting:
                self._commit_waiting()
            if self._backlog.is_due() or self._stopping:
                self._commit_backlog()
            self._keep_house()

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

    def _patience(self) -> float:
        if self._stopping:
            return 0.05
        figures = max(0.0, self._metrics_due - time.monotonic()) if self._counted else _BEAT_EVERY_S
        return min(self._backlog.due_in(), self._retention.due_in(), figures, _BEAT_EVERY_S)

    def _keep_house(self) -> None:
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
        count = min(_BATCH, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        # Their senders have been told to come again: what began now might begin twice.
        now = time.monotonic()
        batch = [(entry, worker) for entry, worker in taken if entry.deadline - _COMMIT_S > now]
        if not batch:
            return
        recorded = self._commit([entry for entry, _ in batch])
        if recorded is None:
            # Who came meanwhile would wait as long for nothing.
            batch += self._waiting
            self._waiting.clear()
            recorded = [_delivery(entry, Verdict.UNAVAILABLE) for entry, _ in batch]
        answers: dict[_Worker, list[Recorded]] = defaultdict(list)
        for (_, worker), delivery in zip(batch, recorded, strict=True):
            answers[worker].append(
                Recorded(delivery.id, delivery.verdict.name, delivery.execution_id)
            )
        for worker, values in answers.items():
            worker.answer(values)

    def _commit_backlog(self) -> None:
        while self._backlog:
            entries = self._backlog.take()
            if self._commit(entries) is None and not self._stopping:
                self._backlog.put_back(entries)
                self._metrics.dropped(self._backlog.dropped)
                return

    def _commit(self, entries: Sequence[Entry]) -> list[Delivery] | None:
        """Record entries; None when the store can't be reached now."""
        self._beat()
        began = time.perf_counter()
        self._counted = True
        try:
            with self._database.write() as connection:
                _check_deadlines(entries)
                recorded = record(connection, entries, self._window)
        except StoreUnavailableError as error:
            _log.error("deliveries not recorded", count=len(entries), reason=error.message)
            self._metrics.failed()
            return None
        except Exception as error:  # noqa: BLE001 - whatever it was, the senders must get an answer
            return self._commit_each(entries, error)
        took = time.perf_counter() - began
        self._metrics.committed(entries, [item.verdict.name for item in recorded], took)
        for delivery in recorded:
            _log_delivery(delivery)
        return recorded

    def _commit_each(self, entries: Sequence[Entry], error: Exception) -> list[Delivery]:
        """Record entries one by one, as one of them can't be: the others must not suffer for it."""
        if len(entries) > 1:
            return [
                delivery
                for entry in entries
                for delivery in self._commit([entry]) or [_delivery(entry, Verdict.UNAVAILABLE)]
            ]
        _log.error(
            "delivery not recorded",
            delivery=entries[0].delivery_id,
            reason=type(error).__name__,
            stack="".join(traceback.format_tb(error.__traceback__)),
        )
        self._metrics.failed()
        return [_delivery(entries[0], Verdict.UNAVAILABLE)]


def _check_deadlines(entries: Sequence[Entry]) -> None:
    if min(entry.deadline for entry in entries) - _COMMIT_S < time.monotonic():
        raise StoreUnavailableError("The store was free too late for who waits. Try again.")


class _Worker:
    """The recorder's end of a worker's connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_ANSWER_PATIENCE_S)
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


def record(connection: Connection, entries: Sequence[Entry], window: float) -> list[Delivery]:
    """Record entries and start what they start, each event once, in the caller's transaction.

    Returns the deliveries with their final verdicts.
    """
    known = deliveries.known(connection, [entry.delivery_id for entry in entries if entry.again])
    new = [entry for entry in entries if entry.delivery_id not in known] if known else entries
    settled = _settle(connection, new, window)
    recorded = [_delivery(entry, *verdict) for entry, verdict in zip(new, settled, strict=True)]
    deliveries.insert(connection, recorded)
    refused = {delivery.webhook_id for delivery in recorded if delivery.verdict.refused}
    deliveries.trim_refused(connection, refused)
    if not known:
        return recorded
    by_id = known | {delivery.id: delivery for delivery in recorded}
    return [by_id[entry.delivery_id] for entry in entries]


def _settle(
    connection: Connection, entries: Sequence[Entry], window: float
) -> list[tuple[Verdict, str | None]]:
    """Start executions, each event once; the verdict and the execution of each entry."""
    wishes = [entry.start for entry in entries if entry.start is not None]
    targets = pipelines.lock(connection, map(_target, wishes)) if wishes else {}
    possible = [wish for wish in wishes if _target(wish) in targets]
    holders = _holders(connection, possible, window)
    settled: list[tuple[Verdict, str | None]] = []
    begun: dict[pipelines.Locked, list[ExecutionStart]] = defaultdict(list)
    triggered: set[int] = set()
    for entry in entries:
        verdict, execution_id = _verdict(entry, targets, holders)
        settled.append((verdict, execution_id))
        if verdict is Verdict.STARTED and entry.start is not None:
            begun[targets[_target(entry.start)]].append(_execution_start(entry.start))
            triggered.add(entry.webhook_id)
    for locked, starts in begun.items():
        start(connection, _pipeline(connection, locked), starts)
    webhooks.triggered(connection, triggered, time.time())
    return settled


def _verdict(
    entry: Entry,
    targets: Mapping[tuple[Scope, str], pipelines.Locked],
    holders: Mapping[bytes, str],
) -> tuple[Verdict, str | None]:
    wish = entry.start
    if wish is None:
        return Verdict[entry.verdict], None
    if _target(wish) not in targets:
        return Verdict.NO_TARGET, None
    holder = wish.execution_id if wish.dedupe_key is None else holders[wish.dedupe_key]
    return (Verdict.STARTED if holder == wish.execution_id else Verdict.DUPLICATE), holder


def _target(wish: Start) -> tuple[Scope, str]:
    return _scope(wish.account, wish.region), wish.pipeline


_scope = functools.lru_cache(maxsize=1_024)(Scope)

_pipelines: OrderedDict[pipelines.Locked, Pipeline] = OrderedDict()


def _pipeline(connection: Connection, locked: pipelines.Locked) -> Pipeline:
    """A version of a pipeline, which never changes; the recently used ones are at hand."""
    if locked not in _pipelines:
        pipeline = pipelines.get(connection, locked.id, locked.version)
        if pipeline is None:
            raise StoreUnavailableError("A pipeline's version is missing in the store")
        _pipelines[locked] = pipeline
        if len(_pipelines) > _PIPELINES_KEPT:
            _pipelines.popitem(last=False)
    return _pipelines[locked]


def _holders(connection: Connection, wishes: Sequence[Start], window: float) -> Mapping[bytes, str]:
    first: dict[bytes, str] = {}
    for wish in wishes:
        if wish.dedupe_key is not None:
            first.setdefault(wish.dedupe_key, wish.execution_id)
    return deliveries.claim_events(connection, first, time.time(), window)


def _execution_start(wish: Start) -> ExecutionStart:
    return ExecutionStart(
        execution_id=wish.execution_id,
        trigger=Trigger(wish.trigger_type, wish.trigger_detail),
        source_revisions=() if wish.revision is None else (_revision(wish.action, wish.revision),),
    )


def _revision(action: str, brought: Revision) -> SourceRevision:
    return SourceRevision(
        action, brought.revision_id, brought.summary, brought.url, reachable_from=brought.refs
    )


def _delivery(entry: Entry, verdict: Verdict, execution_id: str | None = None) -> Delivery:
    headers = kept_headers(entry.headers)
    return Delivery(
        id=entry.delivery_id,
        webhook_id=entry.webhook_id,
        received_at=entry.received_at,
        verdict=verdict,
        remote=entry.remote,
        headers=headers.kept,
        trace=trace_of(entry),
        body_size=entry.body_size,
        body=None if verdict is Verdict.NO_TARGET else entry.body,
        duration=entry.duration,
        execution_id=execution_id,
        event=headers.event,
        sender_id=headers.delivery_id,
        redelivery_of=entry.redelivery_of,
    )
