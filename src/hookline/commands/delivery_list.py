"""`hookline deliveries list`."""

import json
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hookline.commands.delivery_search import Conditions, Names, label_of, search_of
from hookline.commands.opening import open_database
from hookline.commands.output import cell, console, moment
from hookline.errors import HooklineError
from hookline.store import deliveries, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery, Search
from hookline.terminal import printable

STYLES = {"started": "green", "filtered": "yellow", "refused": "red"}
"""How outcomes are coloured."""

_POLL_S = 1.0
# Deliveries appear this late at most, after a slow body and the recorder's time-out.
_LATE_S = 60.0
# So many of the newest are looked at in each poll; nobody reads more lines a second.
_AT_ONCE = 1_000
# A narrower terminal gets lines below each other instead of a table.
_WIDE = 160

Show = Callable[[Sequence[Delivery], Names], None]


def list_deliveries(conditions: Conditions, limit: int, *, follow: bool, as_json: bool) -> None:
    """Print the newest deliveries of the conditions, the newest last; then new ones, if asked."""
    if follow and conditions.until is not None:
        raise HooklineError("--follow goes on, so it can't be used with --until")
    database = open_database()
    with database.read() as connection:
        names = webhooks.names_by_id(connection)
        search = search_of(conditions, names, time.time())
        ids = deliveries.search(connection, search, max(limit + 1, _AT_ONCE))
        found = deliveries.without_bodies(connection, ids[:limit][::-1])
    if follow:
        show = _show_json if as_json else _show_line
        interrupted = _noting_interrupts()
        show(found, names)
        _follow(database, search, set(ids), show, interrupted)
    elif as_json:
        _show_json(found, names)
    else:
        _show(found, names)
        if len(ids) > limit:
            typer.echo(f"These are the newest {limit}; --limit shows more.")


def why(delivery: Delivery) -> str:
    """The reason of a delivery's verdict, in a line."""
    again = "redelivery; " if delivery.redelivery_of else ""
    return again + delivery.why


def _noting_interrupts() -> Callable[[], bool]:
    """Whether there was a Ctrl-C, from now on; as an exception it could be lost in a callback."""
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    return lambda: bool(seen)


def _follow(
    database: Database, search: Search, seen: set[str], show: Show, stopped: Callable[[], bool]
) -> None:
    while True:
        time.sleep(_POLL_S)
        if stopped():
            return
        recent = max(search.since or 0.0, time.time() - _LATE_S)
        late = msgspec.structs.replace(search, since=recent)
        with database.read() as connection:
            ids = deliveries.search(connection, late, _AT_ONCE)
            new = [identifier for identifier in reversed(ids) if identifier not in seen]
            found = deliveries.without_bodies(connection, new)
            names = webhooks.names_by_id(connection) if new else {}
        # After the transaction, since a terminal may be held for long.
        show(found, names)
        seen = set(ids)


def _show(found: Sequence[Delivery], names: Names) -> None:
    out = console()
    if not found:
        out.print("No deliveries.")
    elif out.width < _WIDE:
        _show_blocks(out, found, names)
    else:
        _show_table(out, found, names)


def _show_table(out: Console, found: Sequence[Delivery], names: Names) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("time", "delivery", "webhook", "event", "verdict", "why", "execution"):
        fixed = column in {"time", "delivery", "execution"}
        table.add_column(column, no_wrap=fixed, overflow="fold")
    for delivery in found:
        outcome = delivery.verdict.outcome
        table.add_row(
            moment(delivery.received_at),
            cell(delivery.id),
            cell(label_of(names, delivery.webhook_id)),
            cell(delivery.event),
            cell(outcome, STYLES.get(outcome, "")),
            cell(why(delivery)),
            cell(delivery.execution_id),
        )
    out.print(table)


def _show_blocks(out: Console, found: Sequence[Delivery], names: Names) -> None:
    for delivery in found:
        outcome = delivery.verdict.outcome
        head = (delivery.event or "-", label_of(names, delivery.webhook_id))
        out.print(
            Text(f"{moment(delivery.received_at)}  ")
            .append(cell(outcome, STYLES.get(outcome, "")))
            .append(cell("".join(f"  {item}" for item in head)))
        )
        details = [f"delivery  {delivery.id}", why(delivery)]
        if delivery.execution_id:
            details.append(f"execution {delivery.execution_id}")
        for detail in details:
            out.print(Padding(cell(detail), (0, 0, 0, 4)))


def _show_line(found: Sequence[Delivery], names: Names) -> None:
    for delivery in found:
        parts = [
            moment(delivery.received_at),
            delivery.id,
            label_of(names, delivery.webhook_id),
            delivery.event or "-",
            delivery.verdict.outcome,
            why(delivery),
        ]
        if delivery.execution_id:
            parts.append(f"execution {delivery.execution_id}")
        print("  ".join(map(printable, parts)), flush=True)  # noqa: T201 - lines are for grep, too


def _show_json(found: Sequence[Delivery], names: Names) -> None:
    for delivery in found:
        # Escaped to ASCII, so that no byte of a sender's reaches a terminal as it is.
        print(json.dumps(_document(delivery, names)), flush=True)  # noqa: T201 - for programs


def _document(delivery: Delivery, names: Names) -> dict[str, Any]:
    webhook = names.get(delivery.webhook_id)
    return {
        "id": delivery.id,
        "receivedAt": moment(delivery.received_at),
        "webhook": webhook and webhook.name,
        "webhookArn": webhook and webhook.scope.webhook_arn(webhook.name),
        "event": delivery.event,
        "senderDeliveryId": delivery.sender_id,
        "remote": delivery.remote,
        "outcome": delivery.verdict.outcome,
        "verdict": delivery.verdict.name,
        "why": why(delivery),
        "trace": delivery.trace,
        "bodySize": delivery.body_size,
        "duration": delivery.duration,
        "pipelineExecutionId": delivery.execution_id,
        "redeliveryOf": delivery.redelivery_of,
    }
