"""`hookline doctor`: whether this machine can run what the settings ask for."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import typer
from rich.table import Table

from hookline import config
from hookline.actions import keeper
from hookline.commands.output import cell, console
from hookline.config import Settings
from hookline.installation import refusal
from hookline.runners import Runner


@dataclass(frozen=True, slots=True)
class _Check:
    """Something that this machine can do, or why it can't; and whether the settings need it."""

    what: str
    reason: str | None
    is_needed: bool

    @property
    def state(self) -> tuple[str, str]:
        if self.reason is None:
            return "yes", ""
        return ("no", "bold red") if self.is_needed else ("no, and not asked for", "")


def doctor() -> None:
    """Say whether this machine can run what the settings ask for, and what to do if it can't.

    The exit status is 1 where something is missing.
    """
    found = list(_checks(config.load()))
    table = Table("what", "can it?", "why not")
    for check in found:
        table.add_row(cell(check.what), cell(*check.state), cell(check.reason or ""))
    console().print(table)
    if any(check.is_needed and check.reason is not None for check in found):
        raise typer.Exit(1)


def _checks(settings: Settings) -> Iterator[_Check]:
    for program, purpose in (("git", "fetch sources"), ("bash", "run commands")):
        missing = f"the program {program} is missing (Debian: apt-get install {program})"
        yield _Check(purpose, None if shutil.which(program) else missing, is_needed=True)
    # Without them, a keeper ends what an action has started; only sandboxes can't do without.
    sandboxed = settings.runner is Runner.BUBBLEWRAP
    yield _Check("give programs a PID namespace", keeper.refusal(), is_needed=sandboxed)
    for runner in Runner:
        if runner is not Runner.HOST:
            reason = refusal(settings, runner)
            wanted = runner is settings.runner
            yield _Check(f"run commands by {runner.value}", reason, is_needed=wanted)
