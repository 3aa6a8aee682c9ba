"""How often a webhook may be called, and an address may call: token buckets."""

from collections import OrderedDict
from collections.abc import Hashable

_KEPT = 10_000


class Rate:
    """At most `per_second` on average for each key, and as many at once; 0 means no limit.

    Each worker process counts for itself. The least recently used keys are forgotten, full.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second)
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether `key` may go on at `now` (monotonic seconds), and count it if so."""
        if not self._per_second:
            return True
        tokens, at = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        return allowed
