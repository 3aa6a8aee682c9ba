"""`hookline logs`: what the actions of an execution wrote."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.errors import HooklineError
from hookline.logs import printable

if TYPE_CHECKING:
    from pathlib import Path

    from hookline.store.action_executions import ActionExecution


def show_logs(
    execution_id: Annotated[
        str, typer.Argument(metavar="EXECUTION_ID", help="The whole id of a pipeline execution.")
    ],
    action: Annotated[str | None, typer.Option(help="Only this action's.")] = None,
) -> None:
    """Print the logs of an execution's actions, in the order in which they began.

    Logs are kept on the machine whose engine ran the action.
    """
    from hookline import config  # noqa: PLC0415 - keeps --help fast
    from hookline.commands.opening import open_database  # noqa: PLC0415 - the same
    from hookline.engine.engine import log_file  # noqa: PLC0415 - the same
    from hookline.installation import work_folder  # noqa: PLC0415 - the same
    from hookline.store import action_executions, executions  # noqa: PLC0415 - the same

    settings = config.load()
    with open_database(settings).read() as connection:
        if executions.find(connection, execution_id) is None:
            raise HooklineError(f"There is no execution {execution_id}; an id is given whole")
        found = action_executions.of_execution(connection, execution_id)
    chosen = _chosen(found, action)
    if not chosen:
        typer.echo("No action of this execution has begun yet.")
    for item in chosen:
        _show(item, log_file(work_folder(settings), item.id))


def _chosen(found: "Sequence[ActionExecution]", action: str | None) -> "list[ActionExecution]":
    chosen = [item for item in found if action in {None, item.action_name}]
    if action is not None and found and not chosen:
        begun = ", ".join(item.action_name for item in found)
        raise HooklineError(f"No action {action} of this execution has begun; begun: {begun}")
    return chosen


def _show(item: "ActionExecution", file: "Path") -> None:
    typer.echo(f"==> {item.stage_name} / {item.action_name}: {item.status.value} <==")
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            begun = False
            for line in lines:
                begun = True
                typer.echo(_line(line))
    except FileNotFoundError:
        begun = False
    if not begun:
        typer.echo("(no log yet on this machine)")
    if item.error_message:
        typer.echo(f"{item.error_code}: {printable(item.error_message)}")
    typer.echo()


def _line(line: str) -> str:
    """A line without what a terminal would obey; tabs stay."""
    return "\t".join(map(printable, line.rstrip("\r\n").split("\t")))
