"""`hookline deliveries redeliver`."""

import time
from collections.abc import Sequence

import msgspec
import typer

from hookline import config
from hookline.commands.delivery_page import find
from hookline.commands.delivery_search import search_of
from hookline.commands.opening import open_database
from hookline.commands.wanted import parse_where
from hookline.errors import HooklineError
from hookline.installation import open_seal
from hookline.logs import printable
from hookline.model import Verdict
from hookline.receiver.redelivery import RedeliveryError, redeliver
from hookline.sealing import Seal
from hookline.store import deliveries, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery


def run(delivery_ids: Sequence[str], where: str | None, *, yes: bool) -> None:
    """Redeliver these deliveries, or those of the condition, the oldest first."""
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


def _known(database: Database, delivery_ids: Sequence[str]) -> list[str]:
    """Each id once; an unknown one is an error before anything is done."""
    with database.read() as connection:
        return [find(connection, item).id for item in dict.fromkeys(delivery_ids)]


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
            _show(redeliver(database, seal, delivery_id))
        except RedeliveryError as error:
            if len(delivery_ids) == 1:
                raise
            failed += 1
            typer.echo(f"hookline: {printable(error.message)}", err=True)
    if failed:
        raise HooklineError(f"{failed} of {len(delivery_ids)} were not redelivered")


def _show(delivery: Delivery) -> None:
    parts = [f"{delivery.redelivery_of} → {delivery.id}", delivery.verdict.outcome]
    if delivery.verdict is not Verdict.STARTED:
        parts.append(str(delivery.trace.get("reason") or delivery.verdict.reason))
    if delivery.execution_id:
        parts.append(f"execution {delivery.execution_id}")
    typer.echo("  ".join(map(printable, parts)))
