"""`hookline credentials`: the access keys of the API."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hookline import config
from hookline.errors import HooklineError

app = typer.Typer(help="Access keys of the API.", no_args_is_help=True)
console = Console(highlight=False)


@app.command("create")
def create_credential(
    account: Annotated[str | None, typer.Option(help="Account of 12 digits.")] = None,
) -> None:
    """Make an access key, and show it this once."""
    from hookline.commands.opening import open_database  # noqa: PLC0415 - keeps --help fast
    from hookline.installation import open_seal  # noqa: PLC0415 - the same
    from hookline.store import credentials  # noqa: PLC0415 - the same

    settings = config.load()
    try:
        owner = config.account_id(account or settings.account)
    except ValueError as error:
        raise HooklineError(f"--account {account} can't be used: {error}") from error
    database, seal = open_database(settings), open_seal(settings)
    with database.write() as connection:
        made = credentials.create(connection, seal, owner)
    print(  # noqa: T201 - to be copied, so neither wrapped nor styled
        f"account               {made.account}\n"
        f"aws_access_key_id     {made.access_key_id}\n"
        f"aws_secret_access_key {made.secret_access_key}"
    )


@app.command("list")
def list_credentials(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
) -> None:
    """List access keys, without their secrets."""
    from hookline.commands.opening import open_database  # noqa: PLC0415 - keeps --help fast
    from hookline.installation import open_seal  # noqa: PLC0415 - the same
    from hookline.store import credentials  # noqa: PLC0415 - the same

    settings = config.load()
    database, seal = open_database(settings), open_seal(settings)
    table = Table("access key id", "account", "created")
    with database.read() as connection:
        for item in credentials.all_of(connection, seal):
            if account in {None, item.account}:
                created = datetime.fromtimestamp(item.created_at, UTC)
                table.add_row(item.access_key_id, item.account, f"{created:%Y-%m-%d %H:%M:%S}Z")
    console.print(table)


@app.command("delete")
def delete_credential(
    access_key_id: Annotated[str, typer.Argument(help="The access key id.")],
    account: Annotated[str | None, typer.Option(help="Only if it is this account's.")] = None,
) -> None:
    """Delete an access key; calls that use it are refused from then on."""
    from hookline.commands.opening import open_database  # noqa: PLC0415 - keeps --help fast
    from hookline.installation import open_seal  # noqa: PLC0415 - the same
    from hookline.store import credentials  # noqa: PLC0415 - the same

    settings = config.load()
    database, seal = open_database(settings), open_seal(settings)
    with database.write() as connection:
        found = credentials.find(connection, seal, access_key_id)
        if found is None or account not in {None, found.account}:
            raise HooklineError(
                f"There is no access key {access_key_id}. See: hookline credentials list"
            )
        credentials.remove(connection, access_key_id)
    console.print(f"Deleted {access_key_id}")
