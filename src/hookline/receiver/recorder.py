"""One writer, group commit: whatever has arrived is committed together, then answered."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from hookline.executions.start import Start, start
from hookline.model import Pipeline, Scope, Verdict, Webhook
from hookline.store import deliveries, pipelines, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery

_log = structlog.get_logger()
_BATCH = 256
_MAX_WAITING = 10_000
_MAX_WAITING_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A judged delivery to be recorded; with `start`, it starts an execution of the target.

    `dedupe_key` is None where the event can't be told from others. `answer` gets the delivery as
    recorded; nobody waits where it is None.
    """

    webhook: Webhook
    delivery: Delivery
    start: Start | None = None
    dedupe_key: bytes | None = None
    answer: asyncio.Future[Delivery] | None = None


class QueueFullError(Exception):
    """More deliveries wait for their commit than may; the sender is asked to try again."""


class Recorder:
    """Commits deliveries and the executions they start, in one thread of its own.

    There is no timer: a batch is what came in during the last commit. The queue is bounded in
    entries and bytes. `add` is called from one event loop.
    """

    def __init__(self, database: Database, dedupe_window: float) -> None:
        self._database = database
        self._window = dedupe_window
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._arrived = threading.Event()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def open(self) -> None:
        """Begin to record; answers are given in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Record what waits, then end."""
        self._closing = True
        self._arrived.set()
        self._thread.join()

    def add(self, entry: Entry) -> None:
        """Take an entry to be recorded. Raises QueueFullError."""
        if len(self._entries) >= _MAX_WAITING or self._bytes > _MAX_WAITING_BYTES:
            raise QueueFullError
        self._bytes += entry.delivery.body_size
        self._entries.append(entry)
        self._arrived.set()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            while self._entries:
                self._record(self._next_batch())
            if self._closing:
                return

    def _next_batch(self) -> list[Entry]:
        batch = [self._entries.popleft() for _ in range(min(_BATCH, len(self._entries)))]
        self._bytes -= sum(entry.delivery.body_size for entry in batch)
        return batch

    def _record(self, batch: Sequence[Entry]) -> None:
        try:
            recorded = self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, the senders must get an answer
            _log.error("deliveries not recorded", count=len(batch), reason=str(error))
            recorded = [replace(entry.delivery, verdict=Verdict.UNAVAILABLE) for entry in batch]
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_answer, batch, recorded)

    def _commit(self, batch: Sequence[Entry]) -> list[Delivery]:
        with self._database.write() as connection:
            recorded = _start_executions(connection, batch, self._window)
            deliveries.insert(connection, recorded)
        return recorded


def _answer(batch: Sequence[Entry], recorded: Sequence[Delivery]) -> None:
    for entry, delivery in zip(batch, recorded, strict=True):
        if entry.answer is not None and not entry.answer.done():
            entry.answer.set_result(delivery)


def _start_executions(
    connection: Connection, batch: Sequence[Entry], window: float
) -> list[Delivery]:
    """Start what is to be started, each event once; the deliveries with their final verdicts."""
    now = time.time()
    starting = [entry for entry in batch if entry.start is not None]
    if not starting:
        return [entry.delivery for entry in batch]
    targets = _locked_targets(connection, starting)
    first = _first_of_each_event([entry for entry in starting if _target_of(entry) in targets])
    holders = deliveries.claim_events(connection, first, now, window)
    started: dict[tuple[Scope, str], list[Start]] = {}
    recorded = []
    for entry in batch:
        delivery = _settle(entry, targets, holders)
        recorded.append(delivery)
        if delivery.verdict is Verdict.STARTED and entry.start is not None:
            started.setdefault(_target_of(entry), []).append(entry.start)
    for target, starts in started.items():
        start(connection, targets[target], starts)
    _note_triggered(connection, batch, recorded, now)
    return recorded


def _target_of(entry: Entry) -> tuple[Scope, str]:
    return entry.webhook.scope, entry.webhook.target_pipeline


def _locked_targets(
    connection: Connection, starting: Sequence[Entry]
) -> dict[tuple[Scope, str], Pipeline]:
    locked = pipelines.lock(connection, [_target_of(entry) for entry in starting])
    return {(pipeline.scope, pipeline.name): pipeline for pipeline in locked}


def _first_of_each_event(starting: Sequence[Entry]) -> dict[bytes, str]:
    first: dict[bytes, str] = {}
    for entry in starting:
        if entry.dedupe_key is not None and entry.start is not None:
            first.setdefault(entry.dedupe_key, entry.start.execution_id)
    return first


def _settle(
    entry: Entry,
    targets: dict[tuple[Scope, str], Pipeline],
    holders: dict[bytes, str],
) -> Delivery:
    delivery, wish = entry.delivery, entry.start
    if wish is None:
        return delivery
    if _target_of(entry) not in targets:
        return replace(delivery, verdict=Verdict.NO_TARGET, body=None)
    holder = wish.execution_id if entry.dedupe_key is None else holders[entry.dedupe_key]
    verdict = Verdict.STARTED if holder == wish.execution_id else Verdict.DUPLICATE
    return replace(delivery, verdict=verdict, execution_id=holder)


def _note_triggered(
    connection: Connection, batch: Sequence[Entry], recorded: Sequence[Delivery], now: float
) -> None:
    triggered = [
        entry.webhook.id
        for entry, delivery in zip(batch, recorded, strict=True)
        if delivery.verdict is Verdict.STARTED
    ]
    if triggered:
        webhooks.triggered(connection, triggered, now)
