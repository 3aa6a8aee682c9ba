"""`hookline logs`: what the actions and rules of an execution wrote."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.errors import HooklineError
from hookline.logs import printable

if TYPE_CHECKING:
    from pathlib import Path

    from hookline.store.action_executions import ActionExecution


@dataclass(frozen=True)
class _Ran:
    """An action or a rule that has begun, and where it stands."""

    executed: "ActionExecution"

    @property
    def name(self) -> str:
        return self.executed.action_name

    @property
    def runs_elsewhere(self) -> bool:
        """Whether it has no log: others do it, and its summary tells what they found."""
        return self.executed.token is not None or self.executed.condition_type is not None

    def __str__(self) -> str:
        executed = self.executed
        kind = executed.condition_type
        of = "" if kind is None else f" (rule, {kind})"
        return f"{executed.stage_name} / {self.name}{of}: {executed.status.value}"


def show_logs(
    execution_id: Annotated[
        str, typer.Argument(metavar="EXECUTION_ID", help="The whole id of a pipeline execution.")
    ],
    action: Annotated[str | None, typer.Option(help="Only this action's or rule's.")] = None,
) -> None:
    """Print the logs of an execution's actions and rules, in the order in which they began.

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
        executed = action_executions.of_execution(connection, execution_id)
    found = [_Ran(item) for item in executed if item.has_begun]
    chosen = _chosen(found, action)
    if not chosen:
        typer.echo("No action of this execution has begun yet.")
    for item in chosen:
        _show(item, log_file(work_folder(settings), item.executed.id))


def _chosen(found: Sequence[_Ran], action: str | None) -> list[_Ran]:
    chosen = [item for item in found if action in {None, item.name}]
    if action is not None and found and not chosen:
        begun = ", ".join(item.name for item in found)
        raise HooklineError(f"No action {action} of this execution has begun; begun: {begun}")
    return chosen


def _show(item: _Ran, file: "Path") -> None:
    from hookline.actions.folders import open_file  # noqa: PLC0415 - keeps --help fast

    typer.echo(f"==> {item} <==")
    try:
        with os.fdopen(open_file(file), encoding="utf-8", errors="replace", newline="\n") as lines:
            begun = False
            for line in lines:
                begun = True
                typer.echo(_line(line))
    except FileNotFoundError:
        begun = False
    executed = item.executed
    if not begun and not item.runs_elsewhere:
        typer.echo("(no log yet on this machine)")
    if item.runs_elsewhere and executed.summary:
        typer.echo(printable(executed.summary))
    if executed.error_message:
        typer.echo(f"{executed.error_code}: {printable(executed.error_message)}")
    typer.echo()


def _line(line: str) -> str:
    """A line without what a terminal would obey; tabs stay."""
    return "\t".join(map(printable, line.rstrip("\r\n").split("\t")))
