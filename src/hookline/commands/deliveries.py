"""`hookline deliveries`: what has come in, why it got its verdict, and once more."""

from typing import Annotated

import typer

from hookline.commands.wanted import Wanted

app = typer.Typer(
    help="What has come in, why it got its verdict, and once more.", add_completion=False
)

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
    from hookline.commands import delivery_list  # noqa: PLC0415 - keeps --help fast

    wanted = Wanted(
        webhook=webhook,
        verdict=verdict,
        event=event,
        since=since,
        until=until,
        account=account,
        region=region,
    )
    delivery_list.run(wanted, limit, follow=follow, as_json=as_json)


@app.command("show")
def show_delivery(delivery_id: _Id) -> None:
    """Show a delivery: the request, how it was judged step by step, and what it started."""
    from hookline.commands import delivery_page  # noqa: PLC0415 - keeps --help fast

    delivery_page.show(delivery_id)


@app.command("payload")
def show_payload(delivery_id: _Id) -> None:
    """Write a delivery's body to the standard output, byte for byte.

    To a terminal it may send control characters; look at it with: ... | less
    """
    from hookline.commands import delivery_page  # noqa: PLC0415 - keeps --help fast

    delivery_page.payload(delivery_id)


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
    from hookline.commands import redeliver  # noqa: PLC0415 - keeps --help fast

    redeliver.run(delivery_ids or [], where, yes=yes)
