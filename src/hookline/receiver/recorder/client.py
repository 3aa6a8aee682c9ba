"""A worker's line to the recorder: entries go in batches, answers come back to who waits."""

import asyncio
import os
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
import structlog

from hookline.model import Verdict
from hookline.receiver.entries import Entry, Frames, Recorded, decode_recorded, frame, size_of

SOCKET = "recorder.sock"

_log = structlog.get_logger()
# Nobody waits for what started nothing; it is recorded well within the second of contract T14.
_UNACKNOWLEDGED_DELAY_S = 0.05
_UNACKNOWLEDGED_COUNT = 64
_MAX_WAITING = 10_000
_MAX_WAITING_BYTES = 64_000_000
_RECONNECT_S = 0.05
# GitHub waits ten seconds, and the store was perhaps asked before.
_DEADLINE_S = 5.0


class QueueFullError(Exception):
    """More deliveries wait to be recorded than may; the sender is asked to try again."""


class RecorderClient(asyncio.Protocol):
    """Hands entries to the recorder of this machine; used from one event loop.

    What waits is bounded in entries, bytes and time. When the recorder is lost, entries that wait
    for an answer are sent again to the next one, which knows what the first had committed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._transport: asyncio.Transport | None = None
        self._frames = Frames()
        self._outgoing: dict[str, Entry] = {}
        self._outgoing_bytes = 0
        # In the order of their deadlines.
        self._waiting: OrderedDict[str, tuple[Entry, asyncio.Future[Recorded]]] = OrderedDict()
        self._expiry: asyncio.TimerHandle | None = None
        self._flush_due: asyncio.Handle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing = False
        self._hung_up = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the recorder is there."""
        return self._transport is not None

    async def open(self) -> None:
        """Begin to connect."""
        self._connecting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Send what is left, and hang up."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        self._flush()
        if self._transport is not None:
            # What is buffered is still sent.
            self._transport.close()
            await self._hung_up.wait()

    def note(self, entry: Entry) -> None:
        """Record an entry that nobody waits for. Raises QueueFullError."""
        self._add(entry)
        if len(self._outgoing) >= _UNACKNOWLEDGED_COUNT:
            self._flush()
        elif self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(
                _UNACKNOWLEDGED_DELAY_S, self._flush
            )

    async def record(self, entry: Entry) -> Recorded:
        """Record an entry and wait until it is committed. Raises QueueFullError.

        After five seconds the verdict is UNAVAILABLE, and the recorder leaves the entry alone.
        """
        if len(self._waiting) >= _MAX_WAITING:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        entry = msgspec.structs.replace(entry, deadline=time.monotonic() + _DEADLINE_S)
        self._add(entry)
        answer: asyncio.Future[Recorded] = loop.create_future()
        self._waiting[entry.delivery_id] = (entry, answer)
        if self._expiry is None:
            self._expiry = loop.call_later(_DEADLINE_S, self._expire)
        # All that this turn of the loop has judged goes in one frame.
        if len(self._outgoing) == 1 or self._flush_due is not None:
            self._cancel_flush()
            loop.call_soon(self._flush)
        return await answer

    def _add(self, entry: Entry) -> None:
        waiting = self._outgoing_bytes
        if self._transport is not None:
            waiting += self._transport.get_write_buffer_size()
        if len(self._outgoing) >= _MAX_WAITING or waiting > _MAX_WAITING_BYTES:
            raise QueueFullError
        self._outgoing[entry.delivery_id] = entry
        self._outgoing_bytes += size_of(entry)

    def _flush(self) -> None:
        self._cancel_flush()
        if self._transport is None or not self._outgoing:
            return
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, {}, 0
        self._transport.write(frame(list(outgoing.values())))

    def _cancel_flush(self) -> None:
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        # Through the folder's descriptor, since a socket's path may have 107 bytes only.
        path = f"/proc/self/fd/{self._folder}/{SOCKET}"
        while True:
            with suppress(OSError):
                await loop.create_unix_connection(lambda: self, path)
                return
            await asyncio.sleep(_RECONNECT_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits; what an earlier recorder was sent is marked so."""
        self._transport = cast("asyncio.Transport", transport)
        self._frames = Frames()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Give answers to who waits for them."""
        for content in self._frames.feed(data):
            for recorded in decode_recorded(content):
                _, answer = self._waiting.pop(recorded.delivery_id, (None, None))
                if answer is not None and not answer.done():
                    answer.set_result(recorded)

    def connection_lost(self, exc: Exception | None) -> None:
        """Queue again what was not answered, and connect anew."""
        self._transport = None
        if self._closing:
            self._hung_up.set()
            return
        _log.warning("recorder lost", waiting=len(self._waiting), reason=str(exc or "it ended"))
        again = {
            delivery_id: msgspec.structs.replace(entry, again=True)
            for delivery_id, (entry, _) in self._waiting.items()
            if delivery_id not in self._outgoing
        }
        self._outgoing = again | self._outgoing
        self._outgoing_bytes += sum(map(size_of, again.values()))
        self._connecting = asyncio.create_task(self._connect())

    def _expire(self) -> None:
        """Tell the senders whose time is over to try again."""
        self._expiry = None
        while self._waiting:
            delivery_id, (entry, answer) = next(iter(self._waiting.items()))
            left = entry.deadline - time.monotonic()
            if left > 0:
                self._expiry = asyncio.get_running_loop().call_later(left, self._expire)
                return
            del self._waiting[delivery_id]
            if (unsent := self._outgoing.pop(delivery_id, None)) is not None:
                self._outgoing_bytes -= size_of(unsent)
            if not answer.done():
                answer.set_result(Recorded(delivery_id, Verdict.UNAVAILABLE.name, None))
