"""Deliveries: every request to a known URL, with its verdict and the reason for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, null, select

from hookline.model import Verdict, first_id_at
from hookline.store import dialect
from hookline.store.compression import compress, decompress
from hookline.store.mapping import Mapper
from hookline.store.tables import dedupe, deliveries, is_refused

REFUSED_KEPT = 1_000
"""How many refused deliveries of a webhook are kept, the newest (contract T14)."""

_IDS_AT_ONCE = 1_000


class Delivery(msgspec.Struct, frozen=True):
    """One request to a webhook's URL. Times are epoch seconds, `duration` seconds.

    `trace` is the decision trace of contract T14; `body` is None where it was not trusted.
    """

    id: str
    webhook_id: int
    received_at: float
    verdict: Verdict
    remote: str
    headers: Mapping[str, str]
    trace: Mapping[str, Any]
    body_size: int
    body: bytes | None = None
    duration: float = 0.0
    execution_id: str | None = None
    event: str | None = None
    sender_id: str | None = None
    redelivery_of: str | None = None

    @property
    def why(self) -> str:
        """The reason of the verdict, in a line."""
        if self.trace.get("reason"):
            return str(self.trace["reason"])
        if self.verdict is not Verdict.STARTED:
            return self.verdict.reason
        passed = [f"{item['jsonPath']} is {item['found']}" for item in self.trace["filters"]]
        return ", ".join(passed) or "the webhook has no filters"


_DELIVERIES = Mapper(
    deliveries,
    Delivery,
    written={"verdict": "verdict.name", "refused": "verdict.refused"},
    encoded={"body": lambda body: None if body is None else compress(body)},
    read={
        "verdict": lambda row: Verdict[row.verdict],
        "body": lambda row: None if row.body is None else decompress(row.body),
    },
)


def insert(connection: Connection, new: Sequence[Delivery]) -> None:
    """Record deliveries."""
    _DELIVERIES.insert(connection, new)


def known(connection: Connection, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    """Those of the deliveries that are recorded already, by their ids."""
    if not delivery_ids:
        return {}
    query = select(deliveries).where(deliveries.c.id.in_(delivery_ids))
    return {row.id: _DELIVERIES.value(row) for row in connection.execute(query)}


def trim_refused(connection: Connection, webhook_ids: Iterable[int]) -> None:
    """Forget all but the newest refused deliveries of these webhooks."""
    for webhook_id in sorted(webhook_ids):
        refused = (deliveries.c.webhook_id == webhook_id, is_refused)
        oldest_kept = (
            select(deliveries.c.id)
            .where(*refused)
            .order_by(deliveries.c.id.desc())
            .offset(REFUSED_KEPT - 1)
            .limit(1)
            .scalar_subquery()
        )
        connection.execute(delete(deliveries).where(*refused, deliveries.c.id < oldest_kept))


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    """A delivery by its id."""
    return _DELIVERIES.first(connection, select(deliveries).where(deliveries.c.id == delivery_id))


def newest(connection: Connection, webhook_id: int | None, limit: int) -> list[Delivery]:
    """The newest deliveries, of one webhook or of all, the newest first."""
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit)
    if webhook_id is not None:
        query = query.where(deliveries.c.webhook_id == webhook_id)
    return _DELIVERIES.all(connection, query)


def oldest_of_newest(connection: Connection, count: int) -> str | None:
    """The id of the oldest of the newest `count` deliveries; None when there are no more."""
    query = select(deliveries.c.id).order_by(deliveries.c.id.desc()).offset(count - 1).limit(1)
    return connection.execute(query).scalar()


def forget_before(connection: Connection, delivery_id: str, limit: int) -> int:
    """Delete at most `limit` of the deliveries with lesser ids, the oldest first; how many."""
    oldest = (
        select(deliveries.c.id)
        .where(deliveries.c.id < delivery_id)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return connection.execute(delete(deliveries).where(deliveries.c.id.in_(oldest))).rowcount


def forget_events(connection: Connection, before: float, limit: int) -> int:
    """Delete at most `limit` claims of events received before `before`; how many."""
    oldest = (
        select(dedupe.c.key)
        .where(dedupe.c.received_at < before)
        .order_by(dedupe.c.received_at)
        .limit(limit)
    )
    return connection.execute(delete(dedupe).where(dedupe.c.key.in_(oldest))).rowcount


class Search(msgspec.Struct, frozen=True):
    """Which deliveries are wanted; None is any. Times are epoch seconds, `until` exclusive."""

    webhook_ids: Sequence[int] | None = None
    verdicts: Sequence[Verdict] | None = None
    event: str | None = None
    since: float | None = None
    until: float | None = None
    body_kept: bool | None = None


def search(connection: Connection, wanted: Search, limit: int | None = None) -> list[str]:
    """The ids of the newest deliveries that are `wanted`, the newest first."""
    query = select(deliveries.c.id).order_by(deliveries.c.id.desc())
    query = query.where(*_conditions(wanted)).limit(limit)
    return list(connection.execute(query).scalars())


def _conditions(wanted: Search) -> Iterator[ColumnElement[bool]]:
    if wanted.webhook_ids is not None:
        yield deliveries.c.webhook_id.in_(wanted.webhook_ids)
    if wanted.verdicts is not None:
        yield deliveries.c.verdict.in_([verdict.name for verdict in wanted.verdicts])
    if wanted.event is not None:
        yield deliveries.c.event == wanted.event
    if wanted.body_kept is not None:
        yield deliveries.c.body.is_not(None) if wanted.body_kept else deliveries.c.body.is_(None)
    yield from _in_period(wanted)


def _in_period(wanted: Search) -> Iterator[ColumnElement[bool]]:
    # The id, which is indexed, was made at most a moment before `received_at` was read.
    if wanted.since is not None:
        yield deliveries.c.id >= first_id_at(wanted.since - 1)
        yield deliveries.c.received_at >= wanted.since
    if wanted.until is not None:
        yield deliveries.c.id < first_id_at(wanted.until + 1)
        yield deliveries.c.received_at < wanted.until


def without_bodies(connection: Connection, delivery_ids: Sequence[str]) -> list[Delivery]:
    """Deliveries by their ids, in the order given; their bodies are not read."""
    columns: list[ColumnElement[Any]] = [item for item in deliveries.c if item.name != "body"]
    columns.append(null().label("body"))
    found: dict[str, Delivery] = {}
    for start in range(0, len(delivery_ids), _IDS_AT_ONCE):
        chosen = deliveries.c.id.in_(delivery_ids[start : start + _IDS_AT_ONCE])
        query = select(*columns).where(chosen)
        found |= {row.id: _DELIVERIES.value(row) for row in connection.execute(query)}
    return [found[delivery_id] for delivery_id in delivery_ids if delivery_id in found]


def redeliveries(connection: Connection, first: Delivery) -> list[str]:
    """The ids of the deliveries that repeat `first`, the oldest first."""
    query = select(deliveries.c.id).where(
        deliveries.c.webhook_id == first.webhook_id,
        deliveries.c.id > first.id,
        deliveries.c.redelivery_of == first.id,
    )
    return list(connection.execute(query.order_by(deliveries.c.id)).scalars())


def claim_events(
    connection: Connection, executions: Mapping[bytes, str], now: float, window: float
) -> dict[bytes, str]:
    """Claim events, as dedupe key → execution id, for `window` seconds from `now`.

    Returns for every key the execution that has it: the given one where the claim was won, else
    the first's.
    """
    rows = [(key, execution_id, now) for key, execution_id in executions.items()]
    won = dialect.claim(connection, dedupe, rows, now - window)
    lost = [key for key in executions if key not in won]
    holders = {key: executions[key] for key in won}
    if lost:
        query = select(dedupe.c.key, dedupe.c.execution_id).where(dedupe.c.key.in_(lost))
        holders |= {bytes(row.key): row.execution_id for row in connection.execute(query)}
    return holders
