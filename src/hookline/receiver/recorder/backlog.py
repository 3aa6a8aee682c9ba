"""What the recorder still has to write down and nobody waits for, within a bound on memory."""

import time
from collections import deque
from collections.abc import Sequence

import msgspec

from hookline.model import Verdict
from hookline.receiver.entries import Entry, size_of
from hookline.store.deliveries import REFUSED_KEPT

# They are committed with the next that somebody waits for, or after this.
_DELAY_S = 0.2
_RETRY_S = 1.0
_BATCH, _BATCH_BYTES = 4_000, 16_000_000
_MAX_BYTES = 64_000_000


class Backlog:
    """Entries in the order they came; of refused ones only as many a webhook as are ever kept.

    Of too many bytes the oldest are dropped, and refused ones before others.
    """

    def __init__(self) -> None:
        self._others: deque[Entry] = deque()
        self._refused: dict[int, deque[Entry]] = {}
        self._bytes = 0
        self._due = 0.0
        self._failed_until = 0.0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._others or self._refused)

    def __len__(self) -> int:
        return len(self._others) + sum(len(entries) for entries in self._refused.values())

    def add(self, entry: Entry) -> None:
        """Keep an entry until it is taken."""
        if not self:
            self._due = time.monotonic() + _DELAY_S
        queue = self._queue(entry)
        queue.append(entry)
        self._bytes += size_of(entry)
        if queue is not self._others and len(queue) > REFUSED_KEPT:
            self._pop(queue)
        self._shrink()

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Keep entries whose commit failed for another try, in a second.

        The commit may have succeeded and only its answer been lost: they are marked for that.
        """
        for failed in reversed(entries):
            entry = msgspec.structs.replace(failed, again=True)
            queue = self._queue(entry)
            # Of refused ones, those that came meanwhile are newer.
            if queue is self._others or len(queue) < REFUSED_KEPT:
                queue.appendleft(entry)
                self._bytes += size_of(entry)
        self._shrink()
        self._due = self._failed_until = time.monotonic() + _RETRY_S

    def take(self) -> list[Entry]:
        """Entries for one commit, which are no longer kept."""
        taken: list[Entry] = []
        least = self._bytes - _BATCH_BYTES
        while self and len(taken) < _BATCH and self._bytes > least:
            taken.append(self._pop(self._others or next(iter(self._refused.values()))))
        return taken

    def due_in(self) -> float:
        """Seconds until they want to be committed."""
        return max(0.0, self._due - time.monotonic()) if self else 3600.0

    def is_due(self) -> bool:
        """Whether they want to be committed now: some time has passed, or they are many."""
        if time.monotonic() >= self._due:
            return bool(self)
        # After a failure a full batch waits, too.
        if self._failed_until > time.monotonic():
            return False
        return len(self._others) >= _BATCH or self._bytes >= _BATCH_BYTES

    def _queue(self, entry: Entry) -> deque[Entry]:
        if Verdict[entry.verdict].refused:
            return self._refused.setdefault(entry.webhook_id, deque())
        return self._others

    def _pop(self, queue: deque[Entry]) -> Entry:
        """Remove the oldest entry of a queue."""
        entry = queue.popleft()
        self._bytes -= size_of(entry)
        if not queue and queue is not self._others:
            del self._refused[entry.webhook_id]
        return entry

    def _shrink(self) -> None:
        while self._bytes > _MAX_BYTES:
            self._pop(next(iter(self._refused.values()), self._others))
            self.dropped += 1
