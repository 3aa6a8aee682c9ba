"""`hookline deliveries`: what has come in, why it got its verdict, and once more."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy import Connection

from hookline import config
from hookline.commands import delivery_list
from hookline.commands.delivery_list import STYLES
from hookline.commands.delivery_search import Conditions, Names, parse_where, search_of
from hookline.commands.opening import open_database
from hookline.commands.output import cell, console, moment
from hookline.errors import HooklineError
from hookline.installation import open_seal
from hookline.model import Execution, Verdict
from hookline.receiver.redelivery import RedeliveryError, redeliver
from hookline.sealing import Seal
from hookline.store import deliveries, executions, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery
from hookline.terminal import printable

app = typer.Typer(
    help="What has come in, why it got its verdict, and once more.", add_completion=False
)

_NOT_AUTHENTIC = {Verdict.BAD_SIGNATURE, Verdict.NO_SIGNATURE, Verdict.ADDRESS_NOT_ALLOWED}
_WIDTH = 18

# An indentation, a name, a value and its style.
Line = tuple[int, str, str, str]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The whole id of a delivery.")]


@app.callback(no_args_is_help=True, invoke_without_command=False)
def _deliveries() -> None:
    """Tell about deliveries; works with and without a running server."""


@app.command("list")
def list_deliveries(
    *,
    webhook: Annotated[str | None, typer.Option(help="Only this webhook's.")] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            help="Only started, filtered, duplicate, ping or refused; or one reason to refuse, "
            "such as bad_signature."
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="Only this event of the sender's, such as push.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Not older than so long (90s, 30m, 2h, 7d) or an ISO time in UTC."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Older than so long or an ISO time.")] = None,
    account: Annotated[str | None, typer.Option(help="Only webhooks of this account.")] = None,
    region: Annotated[str | None, typer.Option(help="Only webhooks of this region.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List deliveries, the newest last; times are UTC."""
    conditions = Conditions(
        webhook=webhook,
        verdict=verdict,
        event=event,
        since=since,
        until=until,
        account=account,
        region=region,
    )
    delivery_list.list_deliveries(conditions, limit, follow=follow, as_json=as_json)


@app.command("show")
def show_delivery(delivery_id: _Id) -> None:
    """Show a delivery: the request, how it was judged step by step, and what it started."""
    with open_database().read() as connection:
        delivery = _find(connection, delivery_id)
        names = webhooks.names_by_id(connection)
        again = deliveries.redeliveries(connection, delivery)
        started = delivery.execution_id
        execution = executions.find(connection, started) if started else None
    out = console()
    for indent, name, value, style in _lines(delivery, names, again, execution):
        text = cell(f"{' ' * indent}{name}", "" if value else "bold")
        out.print(text.append(" " * max(2, _WIDTH - len(text))).append(cell(value, style)))


@app.command("payload")
def show_payload(delivery_id: _Id) -> None:
    """Write a delivery's body to the standard output, byte for byte.

    To a terminal it may send control characters; look at it with: ... | less
    """
    with open_database().read() as connection:
        delivery = _find(connection, delivery_id)
    if delivery.body is None:
        raise HooklineError(
            f"The body of delivery {delivery.id} was not kept, since it was refused "
            f"({delivery.verdict.reason})"
        )
    sys.stdout.buffer.write(delivery.body)
    sys.stdout.buffer.flush()


@app.command("redeliver")
def redeliver_deliveries(
    delivery_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Whole ids of deliveries.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Instead of ids, a condition with the names of the options of list: "
            '"verdict=filtered webhook=NAME since=2h event=push".'
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, for scripts.")] = False,
) -> None:
    """Deliver again what came before, judged by the webhook and the pipeline as they are now.

    Each makes a new delivery and, where its filters pass now, a new execution; it is not taken for
    a duplicate. Only deliveries whose body was kept can be redelivered, so not the refused ones.
    """
    delivery_ids = delivery_ids or []
    if bool(delivery_ids) == (where is not None):
        raise HooklineError("Give the ids of deliveries, or --where with a condition")
    settings = config.load()
    database = open_database(settings)
    ids = _known(database, delivery_ids) if where is None else _chosen(database, where)
    if not ids:
        return
    if not yes and (where is not None or len(ids) > 1):
        typer.confirm(f"Redeliver {_counted(len(ids))}?", abort=True)
    _redeliver(database, open_seal(settings), ids)


def _find(connection: Connection, delivery_id: str) -> Delivery:
    """The delivery. Raises HooklineError."""
    found = deliveries.find(connection, delivery_id)
    if found is None:
        raise HooklineError(
            f"There is no delivery {delivery_id}; an id is given whole. "
            "See: hookline deliveries list"
        )
    return found


def _lines(
    delivery: Delivery, names: Names, again: list[str], execution: Execution | None
) -> Iterator[Line]:
    yield from _request(delivery, names, again)
    yield from _outcome(delivery, execution)
    yield from _trace(delivery)
    yield (0, "Headers", "", "")
    for name, value in delivery.headers.items():
        yield (2, f"{name}:", _visible(value), "")


def _request(delivery: Delivery, names: Names, again: list[str]) -> Iterator[Line]:
    webhook = names.get(delivery.webhook_id)
    yield (0, "Delivery", delivery.id, "bold")
    yield (2, "webhook", webhook.scope.webhook_arn(webhook.name) if webhook else "(deleted)", "")
    yield (2, "received", moment(delivery.received_at), "")
    yield (2, "from", delivery.remote, "")
    yield (2, "event", delivery.event or "not named", "")
    yield (2, "sender's id", delivery.sender_id or "none", "")
    yield (2, "size", f"{delivery.body_size:,} bytes", "")
    yield (2, "duration", f"{delivery.duration * 1_000:.1f} ms", "")
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


def _known(database: Database, delivery_ids: Sequence[str]) -> list[str]:
    """Each id once; an unknown one is an error before anything is done."""
    with database.read() as connection:
        return [_find(connection, item).id for item in dict.fromkeys(delivery_ids)]


def _chosen(database: Database, where: str) -> list[str]:
    """The deliveries of a condition whose body was kept, the oldest first; says how many."""
    with database.read() as connection:
        names = webhooks.names_by_id(connection)
        search = search_of(parse_where(where), names, time.time())
        matching = deliveries.search(connection, search)
        ids = deliveries.search(connection, msgspec.structs.replace(search, body_kept=True))
    left_out = len(matching) - len(ids)
    typer.echo(
        f"{_counted(len(ids))} to redeliver"
        + (f"; {left_out} more left out, since their bodies were not kept" if left_out else "")
    )
    return ids[::-1]


def _counted(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"


def _redeliver(database: Database, seal: Seal, delivery_ids: Sequence[str]) -> None:
    failed = 0
    for delivery_id in delivery_ids:
        try:
            _show_redelivery(redeliver(database, seal, delivery_id))
        except RedeliveryError as error:
            if len(delivery_ids) == 1:
                raise
            failed += 1
            typer.echo(f"hookline: {printable(error.message)}", err=True)
    if failed:
        raise HooklineError(f"{failed} of {len(delivery_ids)} were not redelivered")


def _show_redelivery(delivery: Delivery) -> None:
    parts = [f"{delivery.redelivery_of} → {delivery.id}", delivery.verdict.outcome]
    if delivery.verdict is not Verdict.STARTED:
        parts.append(str(delivery.trace.get("reason") or delivery.verdict.reason))
    if delivery.execution_id:
        parts.append(f"execution {delivery.execution_id}")
    typer.echo("  ".join(map(printable, parts)))
