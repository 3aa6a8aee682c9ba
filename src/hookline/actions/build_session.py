"""Runs the commands of a build in one shell, each when the phases ask for it."""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hookline.actions.folders import fresh, read
from hookline.actions.processes import Child, Limits, Owner, run
from hookline.actions.sandboxes import BuildEnvironment, child_of
from hookline.builds.buildspec import Shell
from hookline.builds.phases import Commands, Course, Ended
from hookline.builds.script import END, Driver, Files, Output
from hookline.errors import ActionError
from hookline.runners import Place

# Where images have them, too: those of a machine may be in more folders.
_FOLDERS = "/bin:/usr/bin:/usr/local/bin"
_SHELLS = {
    Shell.SH: (shutil.which("sh", path=_FOLDERS) or "/bin/sh",),
    Shell.BASH: (shutil.which("bash", path=_FOLDERS) or "/bin/bash", "--noprofile", "--norc"),
}
_ENV = shutil.which("env") or "/usr/bin/env"
_SIGNALLED = 128
# Enough to find an error message in; the log has all.
_OUTPUT_KEPT = 10_000
# Of all variables of an action together, as AWS has it.
_MOST_EXPORTED = 122_880
_MOST_ENVIRONMENT = 4_000_000


@dataclass(frozen=True)
class SessionContext:
    """Where and how the commands of a build run.

    Their files are those of `place`; `folder`, in its workspace, is for the session's own.
    """

    owner: Owner
    place: Place
    folder: Path
    environment: Mapping[str, str]
    wanted: BuildEnvironment
    shell: Shell
    shares_shell: bool
    exported: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class SessionResult:
    """Exported variables, the environment, and each name expanded, when a session has ended."""

    exported: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def run_commands(
    context: SessionContext, commands: Commands, write: Callable[[bytes], object], limits: Limits
) -> tuple[Course, SessionResult]:
    """Run `commands` to their end; their output goes to `write` as it comes.

    Raises:
        ActionError: the time is over, or the shell can't be started.
        Interrupted: `limits.stop` is set.
    """
    session = _Session(context, commands, write)
    try:
        return session.run(limits), _result(context, session.files)
    finally:
        session.close()


class _Session:
    def __init__(
        self, context: SessionContext, commands: Commands, write: Callable[[bytes], object]
    ) -> None:
        self.files = Files(fresh(context.folder))
        self._context = context
        self._commands = commands
        self._write = write
        self._nonce = secrets.token_hex(16)
        self._shell = _SHELLS[context.shell]
        self._kept = b""
        self._steps = 0
        self._course: Course | None = None
        self.files.steps.mkdir()
        driver = Driver(
            self.files,
            self._shell,
            _ENV,
            self._nonce,
            shares_shell=context.shares_shell,
            exported=context.exported,
            names=context.names,
        )
        self.files.driver.write_text(driver.script())
        # Open for both, so that neither side ever waits for the other to open it.
        os.mkfifo(self.files.requests, 0o600)
        self._requests = os.open(self.files.requests, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self, limits: Limits) -> Course:
        self._advance(None)
        while True:
            output = Output(self._nonce)
            status = run(self._child(), limits, partial(self._take, output))
            self._write(output.end())
            if self._course is not None:
                return self._course
            # The command has taken the place of the shell, or has killed it.
            self._advance(Ended(_SIGNALLED - status if status < 0 else status, self._tail()))

    def close(self) -> None:
        os.close(self._requests)

    def _child(self) -> Child:
        argv = (*self._shell, str(self.files.driver))
        context = self._context
        environment = context.environment
        return child_of(context.owner, context.place, argv, environment, context.wanted)

    def _take(self, output: Output, data: bytes) -> None:
        for part in output.feed(data):
            if isinstance(part, bytes):
                self._kept = (self._kept + part)[-_OUTPUT_KEPT:]
                self._write(part)
            else:
                self._advance(Ended(part, self._tail()))

    def _tail(self) -> str:
        kept, self._kept = self._kept, b""
        return kept.decode(errors="replace")

    def _advance(self, ended: Ended | None) -> None:
        """Tell the shell what to do next."""
        try:
            command = next(self._commands) if ended is None else self._commands.send(ended)
        except StopIteration as stop:
            self._course = stop.value
            self._request(f"{END} {int(stop.value.succeeded)}")
            return
        self._steps += 1
        (self.files.steps / str(self._steps)).write_text(command.text + "\n")
        self._request(f"{self._steps} {int(command.build_succeeding)}")

    def _request(self, text: str) -> None:
        os.write(self._requests, text.encode() + b"\n")


def _result(context: SessionContext, files: Files) -> SessionResult:
    values = _values(files.exported, _MOST_EXPORTED)
    pairs = (text.partition("=") for text in _values(files.environment, _MOST_ENVIRONMENT))
    names = _values(files.names, _MOST_EXPORTED)
    return SessionResult(
        dict(zip(context.exported, values, strict=False)),
        {name: value for name, _, value in pairs},
        {name: text.rstrip("\n") for name, text in zip(context.names, names, strict=False)},
    )


def _values(file: Path, most: int) -> list[str]:
    """The values in a file of the session, each ended by a NUL; none if it is not there."""
    with suppress(FileNotFoundError):
        try:
            return read(file, most).decode(errors="replace").split("\0")[:-1]
        except ActionError as error:
            raise ActionError(f"The variables of the build can't be taken: {error}") from error
    return []
