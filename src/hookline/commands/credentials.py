"""`hookline credentials`: the access keys of the API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from hookline import config
from hookline.api import sessions
from hookline.commands.opening import open_database
from hookline.commands.output import cell, console
from hookline.errors import HooklineError
from hookline.installation import open_seal
from hookline.model import Credential
from hookline.profile import replace_in_profile
from hookline.sealing import Seal
from hookline.store import credentials

app = typer.Typer(help="Access keys of the API.", no_args_is_help=True, add_completion=False)
_MOST_DESCRIPTION = 200

KeyId = Annotated[str, typer.Argument(help="The access key id.")]
OfAccount = Annotated[str | None, typer.Option(help="Only if it is this account's.")]


@app.command("create")
def create_credential(
    account: Annotated[str | None, typer.Option(help="Account of 12 digits.")] = None,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Only for calls that change nothing and show no secret."),
    ] = False,
    description: Annotated[str, typer.Option(help="Whose it is, or what for.")] = "",
) -> None:
    """Make an access key, and show it this once."""
    try:
        owner = config.account_id(account or config.load().account)
    except ValueError as error:
        raise HooklineError(f"--account {account} can't be used: {error}") from error
    if len(description) > _MOST_DESCRIPTION or not description.isprintable():
        raise HooklineError(
            f"--description must be one line of at most {_MOST_DESCRIPTION} characters"
        )
    with _writing() as (connection, seal):
        made = credentials.create(
            connection, seal, owner, read_only=read_only, description=description
        )
    _show(made)


@app.command("list")
def list_credentials(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
) -> None:
    """List access keys, without their secrets."""
    settings = config.load()
    database, seal = open_database(settings), open_seal(settings)
    table = Table(
        "access key id", "account", "status", "may", "created", "last used", "description"
    )
    with database.read() as connection:
        for item in credentials.all_of(connection, seal):
            if account in {None, item.account}:
                table.add_row(*_row(item))
    console().print(table)


@app.command("disable")
def disable_credential(access_key_id: KeyId, account: OfAccount = None) -> None:
    """Refuse calls that use an access key from now on, until it is enabled again."""
    _set_disabled(access_key_id, account, disabled=True)
    console().print(f"Disabled {access_key_id}")


@app.command("enable")
def enable_credential(access_key_id: KeyId, account: OfAccount = None) -> None:
    """Take calls that use a disabled access key again."""
    _set_disabled(access_key_id, account, disabled=False)
    console().print(f"Enabled {access_key_id}")


@app.command("rotate")
def rotate_credential(
    access_key_id: KeyId,
    account: OfAccount = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the old one enabled, to disable it later.")
    ] = False,
) -> None:
    """Make an access key like another, show it this once, and disable the other.

    If the old one is in the profile that the server wrote, the new one takes its place there.
    """
    with _writing() as (connection, seal):
        old = _found(connection, seal, access_key_id, account)
        made = credentials.create(
            connection, seal, old.account, read_only=old.read_only, description=old.description
        )
        if not keep:
            credentials.set_disabled(connection, old.access_key_id, disabled=True)
    replace_in_profile(config.load(), old, made)
    _show(made)


@app.command("session")
def issue_session(
    access_key_id: KeyId,
    account: OfAccount = None,
    duration_seconds: Annotated[
        int,
        typer.Option(min=900, max=129_600, help="How long they are good for."),
    ] = 43_200,
) -> None:
    """Make temporary credentials of an access key, with a session token, and show them this once.

    They may do what the key may, and end early when it is disabled or deleted.
    """
    with _writing() as (connection, seal):
        found = _found(connection, seal, access_key_id, account)
    if found.disabled:
        raise HooklineError(f"The access key {access_key_id} is disabled. Enable it first.")
    session, token = sessions.issue(seal, found, time.time() + duration_seconds)
    expires = f"{datetime.fromtimestamp(session.expires_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    print(  # noqa: T201 - to be copied, so neither wrapped nor styled
        f"account               {found.account}\n"
        f"aws_access_key_id     {session.access_key_id}\n"
        f"aws_secret_access_key {session.secret_access_key}\n"
        f"aws_session_token     {token}\n"
        f"expires               {expires}"
    )


@app.command("delete")
def delete_credential(access_key_id: KeyId, account: OfAccount = None) -> None:
    """Delete an access key; calls that use it are refused from then on."""
    with _writing() as (connection, seal):
        _found(connection, seal, access_key_id, account)
        credentials.remove(connection, access_key_id)
    console().print(f"Deleted {access_key_id}")


@contextmanager
def _writing() -> Iterator[tuple[Connection, Seal]]:

    settings = config.load()
    database, seal = open_database(settings), open_seal(settings)
    with database.write() as connection:
        yield connection, seal


def _found(
    connection: Connection, seal: Seal, access_key_id: str, account: str | None
) -> Credential:

    found = credentials.find(connection, seal, access_key_id)
    if found is None or account not in {None, found.account}:
        raise HooklineError(
            f"There is no access key {access_key_id}. See: hookline credentials list"
        )
    return found


def _set_disabled(access_key_id: str, account: str | None, *, disabled: bool) -> None:

    with _writing() as (connection, seal):
        _found(connection, seal, access_key_id, account)
        credentials.set_disabled(connection, access_key_id, disabled=disabled)


def _show(made: Credential) -> None:
    print(  # noqa: T201 - to be copied, so neither wrapped nor styled
        f"account               {made.account}\n"
        f"aws_access_key_id     {made.access_key_id}\n"
        f"aws_secret_access_key {made.secret_access_key}"
    )


def _row(item: Credential) -> tuple[str | Text, ...]:
    return (
        item.access_key_id,
        item.account,
        "disabled" if item.disabled else "enabled",
        "read" if item.read_only else "all",
        _time(item.created_at),
        "never" if item.last_used is None else _time(item.last_used),
        cell(item.description),
    )


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
