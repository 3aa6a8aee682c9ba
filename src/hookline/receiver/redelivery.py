"""Delivers a recorded delivery again when asked to, judged by today's definition."""

import time

import msgspec
from sqlalchemy import Connection

from hookline.errors import HooklineError
from hookline.receiver.entries import Entry
from hookline.receiver.judge import Request, Target, judge
from hookline.receiver.recorder.commit import Committer
from hookline.receiver.targets import target_of
from hookline.sealing import Seal
from hookline.store import deliveries, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery


class RedeliveryError(HooklineError):
    """The delivery can't be delivered again."""


def redeliver(database: Database, seal: Seal, delivery_id: str) -> Delivery:
    """Judge a recorded delivery again and record the new one, in a transaction of its own.

    The webhook, its filters, the target action's configuration and the pipeline's triggers count as
    they are now. The first delivery's signature is not kept, so authentication is not repeated; nor
    is the new one taken for a duplicate of the first. Works beside a running server or without one.
    Raises RedeliveryError where the body was not kept or the webhook is gone.
    """
    with database.read() as connection:
        first = deliveries.find(connection, delivery_id)
        if first is None:
            raise RedeliveryError(f"There is no delivery {delivery_id}")
        target = _target(connection, seal, first)
    entry = judge_again(target, first, time.time())
    with database.write() as connection:
        # No window: without a dedupe key nothing is claimed.
        [recorded] = Committer(dedupe_window=0.0).commit(connection, [entry])
    return recorded


def judge_again(target: Target, first: Delivery, now: float) -> Entry:
    """The new delivery that `first` makes at `now`, epoch seconds. Raises RedeliveryError."""
    if first.body is None:
        raise RedeliveryError(
            f"The body of delivery {first.id} was not kept, since it was refused "
            f"({first.verdict.reason}). Have its sender deliver it again."
        )
    request = Request(
        headers={
            name.encode("latin-1"): value.encode("latin-1") for name, value in first.headers.items()
        },
        address=first.remote,
        received_at=now,
        began=time.perf_counter(),
        body=first.body,
        body_size=first.body_size,
        # The body is kept only of a delivery that was authentic.
        authenticated_by=first.trace["authentication"],
    )
    _, entry = judge(target, request)
    return msgspec.structs.replace(entry, redelivery_of=first.id)


def _target(connection: Connection, seal: Seal, first: Delivery) -> Target:
    webhook = webhooks.get(connection, seal, first.webhook_id)
    if webhook is None:
        raise RedeliveryError(
            f"The webhook of delivery {first.id} was deleted, so nothing says what it would start"
        )
    return target_of(connection, webhook)
