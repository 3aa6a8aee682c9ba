"""Deliveries: every request to a known URL, with its verdict and the reason for it."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection, Row, delete, select

from hookline.model import Verdict
from hookline.store import dialect
from hookline.store.tables import dedupe, deliveries, is_refused

REFUSED_KEPT = 1_000
"""How many refused deliveries of a webhook are kept, the newest (contract T14)."""

_COLUMNS = (
    "id",
    "webhook_id",
    "received_at",
    "verdict",
    "refused",
    "execution_id",
    "event",
    "sender_id",
    "remote",
    "headers",
    "trace",
    "body",
    "body_size",
    "duration",
    "redelivery_of",
)


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


def insert(connection: Connection, new: Sequence[Delivery]) -> None:
    """Record deliveries."""
    dialect.insert_rows(connection, deliveries, _COLUMNS, [_row(delivery) for delivery in new])


def _row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.webhook_id,
        delivery.received_at,
        delivery.verdict.name,
        delivery.verdict.refused,
        delivery.execution_id,
        delivery.event,
        delivery.sender_id,
        delivery.remote,
        orjson.dumps(delivery.headers).decode(),
        orjson.dumps(delivery.trace).decode(),
        None if delivery.body is None else _compress(delivery.body),
        delivery.body_size,
        delivery.duration,
        delivery.redelivery_of,
    )


def known(connection: Connection, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    """Those of the deliveries that are recorded already, by their ids."""
    if not delivery_ids:
        return {}
    query = select(deliveries).where(deliveries.c.id.in_(delivery_ids))
    return {row.id: _delivery(row) for row in connection.execute(query)}


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
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    return None if row is None else _delivery(row)


def newest(connection: Connection, webhook_id: int | None, limit: int) -> list[Delivery]:
    """The newest deliveries, of one webhook or of all, the newest first."""
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit)
    if webhook_id is not None:
        query = query.where(deliveries.c.webhook_id == webhook_id)
    return [_delivery(row) for row in connection.execute(query)]


def dedupe_key(webhook_id: int, event_key: str) -> bytes:
    """The key under which an event of a webhook starts one execution (contract T10)."""
    return hashlib.sha256(f"{webhook_id}:{event_key}".encode()).digest()


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


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        received_at=row.received_at,
        verdict=Verdict[row.verdict],
        remote=row.remote,
        headers=row.headers,
        trace=row.trace,
        body_size=row.body_size,
        body=None if row.body is None else _decompress(row.body),
        duration=row.duration,
        execution_id=row.execution_id,
        event=row.event,
        sender_id=row.sender_id,
        redelivery_of=row.redelivery_of,
    )


def _compress(body: bytes) -> bytes:
    return zlib.compress(body, 1)


def _decompress(body: bytes) -> bytes:
    return zlib.decompress(body)
