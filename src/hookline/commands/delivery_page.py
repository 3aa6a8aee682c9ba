"""`hookline deliveries show` and `hookline deliveries payload`."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from hookline.commands.delivery_list import STYLES
from hookline.commands.delivery_search import Names
from hookline.commands.opening import open_database
from hookline.commands.output import cell, console, moment
from hookline.errors import HooklineError
from hookline.model import Execution, Verdict
from hookline.store import deliveries, executions, webhooks
from hookline.store.deliveries import Delivery

_NOT_AUTHENTIC = {Verdict.BAD_SIGNATURE, Verdict.NO_SIGNATURE, Verdict.ADDRESS_NOT_ALLOWED}
_WIDTH = 18

# An indentation, a name, a value and its style.
Line = tuple[int, str, str, str]


def show(delivery_id: str) -> None:
    """Print all that is known of a delivery, but for its body."""
    with open_database().read() as connection:
        delivery = find(connection, delivery_id)
        names = webhooks.names_by_id(connection)
        again = deliveries.redeliveries(connection, delivery)
        execution = _execution(connection, delivery)
    out = console()
    for indent, name, value, style in _lines(delivery, names, again, execution):
        text = cell(f"{' ' * indent}{name}", "" if value else "bold")
        out.print(text.append(" " * max(2, _WIDTH - len(text))).append(cell(value, style)))


def payload(delivery_id: str) -> None:
    """Write a delivery's body to the standard output, byte for byte."""
    with open_database().read() as connection:
        delivery = find(connection, delivery_id)
    if delivery.body is None:
        raise HooklineError(
            f"The body of delivery {delivery.id} was not kept, since it was refused "
            f"({delivery.verdict.reason})"
        )
    sys.stdout.buffer.write(delivery.body)
    sys.stdout.buffer.flush()


def find(connection: Connection, delivery_id: str) -> Delivery:
    """The delivery. Raises HooklineError."""
    found = deliveries.find(connection, delivery_id)
    if found is None:
        raise HooklineError(
            f"There is no delivery {delivery_id}; an id is given whole. "
            "See: hookline deliveries list"
        )
    return found


def _execution(connection: Connection, delivery: Delivery) -> Execution | None:
    started = delivery.execution_id
    return None if started is None else executions.find(connection, started)


def _lines(
    delivery: Delivery, names: Names, again: list[str], execution: Execution | None
) -> Iterator[Line]:
    yield from _request(delivery, names)
    yield from _relations(delivery, again)
    yield from _outcome(delivery, execution)
    yield from _trace(delivery)
    yield (0, "Headers", "", "")
    for name, value in delivery.headers.items():
        yield (2, f"{name}:", _visible(value), "")


def _request(delivery: Delivery, names: Names) -> Iterator[Line]:
    webhook = names.get(delivery.webhook_id)
    yield (0, "Delivery", delivery.id, "bold")
    yield (2, "webhook", webhook.scope.webhook_arn(webhook.name) if webhook else "(deleted)", "")
    yield (2, "received", moment(delivery.received_at), "")
    yield (2, "from", delivery.remote, "")
    yield (2, "event", delivery.event or "not named", "")
    yield (2, "sender's id", delivery.sender_id or "none", "")
    yield (2, "size", f"{delivery.body_size:,} bytes", "")
    yield (2, "duration", f"{delivery.duration * 1_000:.1f} ms", "")


def _relations(delivery: Delivery, again: list[str]) -> Iterator[Line]:
    if delivery.redelivery_of:
        yield (2, "redelivery of", delivery.redelivery_of, "")
    for identifier in again:
        yield (2, "redelivered", identifier, "")


def _outcome(delivery: Delivery, execution: Execution | None) -> Iterator[Line]:
    verdict = delivery.verdict
    yield (0, "Verdict", verdict.outcome, STYLES.get(verdict.outcome, ""))
    yield (2, "name", f"{verdict.name}, HTTP status {verdict.status}", "")
    yield (2, "why", str(delivery.trace.get("reason") or verdict.reason), "")
    if delivery.execution_id:
        yield (2, "execution", delivery.execution_id, "")
        yield (2, "its status", execution.status.value if execution else "no longer kept", "")


def _trace(delivery: Delivery) -> Iterator[Line]:
    yield (0, "Authentication", _authentication(delivery), "")
    filters = delivery.trace.get("filters") or ()
    yield (0, "Filters", "" if filters else "none were applied", "")
    for seen in filters:
        yield from _filter(seen, str(seen["jsonPath"]))
    if triggers := delivery.trace.get("triggers"):
        yield (0, "Triggers", "", "")
        for seen in triggers:
            yield from _filter(seen, str(seen["filter"]))


def _authentication(delivery: Delivery) -> str:
    kind = delivery.trace.get("authentication")
    if not delivery.trace.get("authenticated"):
        return f"{kind}, {'failed' if delivery.verdict in _NOT_AUTHENTIC else 'was not reached'}"
    if delivery.redelivery_of:
        return f"{kind}, passed when it first came"
    return f"{kind}, passed"


def _filter(seen: Mapping[str, Any], name: str) -> Iterator[Line]:
    mark, style = ("✓", "green") if seen["passed"] else ("✗", "red")
    yield (2, mark, name, style)
    yield (4, "found", "nothing" if seen["found"] is None else _visible(seen["found"]), "")
    yield (4, "wanted", "anything" if seen["wanted"] is None else _visible(seen["wanted"]), "")
    if not seen["passed"]:
        yield (4, "why not", seen["reason"], "")


def _visible(text: str) -> str:
    return text or "(empty)"
