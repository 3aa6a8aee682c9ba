"""`hookline logs`: what the actions and rules of an execution wrote."""

import codecs
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from hookline.commands.opening import open_database
from hookline.errors import HooklineError
from hookline.store import action_executions, executions
from hookline.store.action_executions import ActionExecution
from hookline.store.action_logs import open_log
from hookline.store.database import Database
from hookline.terminal import printable

_FOLLOW_EVERY_S = 0.5
_LONGEST_KEPT = 65_536


def show_logs(
    execution_id: Annotated[
        str, typer.Argument(metavar="EXECUTION_ID", help="The whole id of a pipeline execution.")
    ],
    action: Annotated[str | None, typer.Option(help="Only this action's or rule's.")] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on with what is written until all have ended."),
    ] = False,
) -> None:
    """Print the logs of an execution's actions and rules, in the order in which they began.

    What runs is printed up to a second ago, on whatever node it runs. With `--follow` one log is
    printed to its end, then the next.
    """
    database = open_database()
    shown = 0
    for item in _chosen(database, execution_id, action, follow=follow):
        _show(database, item, follow=follow)
        shown += 1
    if shown:
        return
    others, _ = _begun(database, execution_id)
    if action is not None and others:
        names = ", ".join(item.action_name for item in others)
        raise HooklineError(f"No action {action} of this execution has begun; begun: {names}")
    typer.echo("No action of this execution has begun yet.")


def _chosen(
    database: Database, execution_id: str, action: str | None, *, follow: bool
) -> Iterator[ActionExecution]:
    """The chosen actions and rules that have begun; with `follow` until no more will."""
    shown: set[str] = set()
    while True:
        begun, have_ended = _begun(database, execution_id, action)
        new = [item for item in begun if item.id not in shown]
        yield from new
        shown |= {item.id for item in new}
        if not follow:
            return
        if not new:
            if have_ended:
                return
            time.sleep(_FOLLOW_EVERY_S)


def _begun(
    database: Database, execution_id: str, action: str | None = None
) -> tuple[list[ActionExecution], bool]:
    """The actions and rules that have begun, all or those of a name; whether no more will."""
    with database.read() as connection:
        execution = executions.find(connection, execution_id)
        if execution is None:
            raise HooklineError(f"There is no execution {execution_id}; an id is given whole")
        executed = action_executions.of_execution(connection, execution_id)
    begun = [item for item in executed if item.has_begun and action in {None, item.action_name}]
    return begun, execution.status.is_final or (action is not None and _have_ended(begun))


def _have_ended(begun: Sequence[ActionExecution]) -> bool:
    return bool(begun) and all(item.status.is_final for item in begun)


def _show(database: Database, begun: ActionExecution, *, follow: bool) -> None:
    typer.echo(f"==> {_heading(begun)} <==")
    printed = _Printed()
    executed = _print_log(database, begun, printed, follow=follow)
    if executed.token is not None or executed.condition_type is not None:
        # Others run it: its summary tells what they found, and there is no log.
        if executed.summary:
            typer.echo(printable(executed.summary))
    elif not printed.length:
        typer.echo("(no log yet)")
    if executed.error_message:
        typer.echo(f"{executed.error_code}: {printable(executed.error_message)}")
    typer.echo()


def _print_log(
    database: Database, begun: ActionExecution, printed: "_Printed", *, follow: bool
) -> ActionExecution:
    """Print a log, with `follow` to its end; the action execution as it was then."""
    executed = begun
    while True:
        for piece in open_log(database, begun.id, printed.length):
            printed.write(piece)
        # It had ended before the log was read, so that this was all of it.
        if executed.status.is_final or not follow:
            break
        time.sleep(_FOLLOW_EVERY_S)
        with database.read() as connection:
            executed = action_executions.find(connection, begun.id) or begun
    printed.end()
    return executed


def _heading(executed: ActionExecution) -> str:
    kind = executed.condition_type
    of = "" if kind is None else f" (rule, {kind})"
    return f"{executed.stage_name} / {executed.action_name}{of}: {executed.status.value}"


class _Printed:
    """Prints a log line by line as its bytes come, without what a terminal would obey."""

    def __init__(self) -> None:
        self.length = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def write(self, data: bytes) -> None:
        """Print whole lines, and of a long one what there is."""
        self.length += len(data)
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            typer.echo(_line(line))
        if len(self._rest) > _LONGEST_KEPT:
            typer.echo(_line(self._rest), nl=False)
            self._rest = ""

    def end(self) -> None:
        """Print the rest."""
        if self._rest:
            typer.echo(_line(self._rest))


def _line(line: str) -> str:
    """A line without what a terminal would obey; tabs stay."""
    return "\t".join(map(printable, line.rstrip("\r").split("\t")))
