"""The command line."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from hookline import config
from hookline.commands import action_logs, deliveries, send, try_filters
from hookline.config import Settings
from hookline.errors import HooklineError

if TYPE_CHECKING:
    from hookline.sealing import Seal
    from hookline.store.database import Database

app = typer.Typer(
    name="hookline",
    help="AWS CodePipeline's webhooks, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
credentials_app = typer.Typer(help="Access keys of the API.", no_args_is_help=True)
app.add_typer(credentials_app, name="credentials")
_out = Console(highlight=False)


@app.command()
def serve(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the database, keys, artifacts and logs.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="HTTP worker processes.")] = 1,
    no_verify_credentials: Annotated[
        bool,
        typer.Option(
            "--no-verify-credentials",
            help="Accept API calls with any access key. Only on a loopback address.",
        ),
    ] = False,
) -> None:
    """Run the server: trigger URLs, the API and the engine, until SIGINT or SIGTERM."""
    options = {
        "DATA_DIR": data_dir,
        "HOST": host,
        "PORT": port,
        "VERIFY_CREDENTIALS": "false" if no_verify_credentials else None,
    }
    for name, value in options.items():
        # The processes that serve starts read their settings from the environment, too.
        if value is not None:
            os.environ[f"HOOKLINE_{name}"] = str(value)
    config.load()
    # The supervisor lives as long as the server: it goes on without what a command line loads.
    os.execv(sys.executable, [sys.executable, "-m", "hookline.serve", str(workers)])  # noqa: S606 - our own interpreter and module


@app.command("settings")
def show_settings() -> None:
    """Show each setting with its source, value, default and meaning; secrets are masked."""
    table = Table("setting", "value", "source", "default", "meaning")
    for row in config.described():
        table.add_row(*row)
    _out.print(table)


@app.command()
def demo() -> None:
    """Show the whole of it in a temporary folder: a signed push that runs a pipeline."""
    from hookline.demo import run  # noqa: PLC0415 - other commands don't need boto3

    raise typer.Exit(run(_out))


@credentials_app.command("create")
def create_credential(
    account: Annotated[str | None, typer.Option(help="Account of 12 digits.")] = None,
) -> None:
    """Make an access key, and show it this once."""
    from hookline.store import credentials  # noqa: PLC0415 - keeps --help fast

    settings = config.load()
    try:
        owner = config.account_id(account or settings.account)
    except ValueError as error:
        raise HooklineError(f"--account {account} can't be used: {error}") from error
    database, seal = _open(settings)
    with database.write() as connection:
        made = credentials.create(connection, seal, owner)
    print(  # noqa: T201 - to be copied, so neither wrapped nor styled
        f"account               {made.account}\n"
        f"aws_access_key_id     {made.access_key_id}\n"
        f"aws_secret_access_key {made.secret_access_key}"
    )


@credentials_app.command("list")
def list_credentials(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
) -> None:
    """List access keys, without their secrets."""
    from datetime import UTC, datetime  # noqa: PLC0415 - keeps --help fast

    from hookline.store import credentials  # noqa: PLC0415 - the same

    database, seal = _open(config.load())
    table = Table("access key id", "account", "created")
    with database.read() as connection:
        for item in credentials.all_of(connection, seal):
            if account in {None, item.account}:
                created = datetime.fromtimestamp(item.created_at, UTC)
                table.add_row(item.access_key_id, item.account, f"{created:%Y-%m-%d %H:%M:%S}Z")
    _out.print(table)


@credentials_app.command("delete")
def delete_credential(
    access_key_id: Annotated[str, typer.Argument(help="The access key id.")],
    account: Annotated[str | None, typer.Option(help="Only if it is this account's.")] = None,
) -> None:
    """Delete an access key; calls that use it are refused from then on."""
    from hookline.store import credentials  # noqa: PLC0415 - keeps --help fast

    database, seal = _open(config.load())
    with database.write() as connection:
        found = credentials.find(connection, seal, access_key_id)
        if found is None or account not in {None, found.account}:
            raise HooklineError(
                f"There is no access key {access_key_id}. See: hookline credentials list"
            )
        credentials.remove(connection, access_key_id)
    _out.print(f"Deleted {access_key_id}")


def _open(settings: Settings) -> "tuple[Database, Seal]":
    from hookline.installation import open_seal  # noqa: PLC0415 - keeps --help fast
    from hookline.store.database import Database  # noqa: PLC0415 - the same

    if not settings.database_url and not settings.data_dir.exists():
        raise HooklineError(
            f"There is no data folder {settings.data_dir}. Start `hookline serve` once, or name "
            "the folder with HOOKLINE_DATA_DIR."
        )
    database = Database(settings.database)
    database.migrate()
    return database, open_seal(settings)


app.add_typer(deliveries.app, name="deliveries")
app.command("send")(send.send)
app.command("try")(try_filters.try_filters)
app.command("logs")(action_logs.show_logs)


def main() -> None:
    """Run the command line; an error on purpose is one line and exit status 2."""
    try:
        app(standalone_mode=True)
    except HooklineError as error:
        print(f"hookline: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads it
        sys.exit(2)


if __name__ == "__main__":
    main()
