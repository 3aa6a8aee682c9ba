"""Runs Hookline's command line: in this process, which is fast, or as the program that it is."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hookline import cli
from hookline.commands import opening
from hookline.store.database import Database

PROGRAM = str(Path(sys.executable).with_name("hookline"))
_WIDE = {"COLUMNS": "300"}


def run_hookline(
    *arguments: str, environment: Mapping[str, str], folder: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process to its end, with `text` as its standard input."""
    whole: dict[str, str | None] = {**dict.fromkeys(os.environ), **environment, **_WIDE}
    status: int | str | None = 0
    with (
        CliRunner().isolation(text, whole) as streams,
        chdir(folder),
        _argv(arguments),
        _closed_databases(),
    ):
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        output, errors = (stream.getvalue().decode() for stream in streams[:2])
    assert isinstance(status, int)
    return subprocess.CompletedProcess(arguments, status, output, errors)


@contextmanager
def _argv(arguments: tuple[str, ...]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [PROGRAM, *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _closed_databases() -> Iterator[None]:
    """Close what commands open, as the end of their process would."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            opening,
            "Database",
            lambda *address, **options: stack.enter_context(closing(Database(*address, **options))),
        )
        yield


def run_program(
    *arguments: str, environment: Mapping[str, str], folder: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, with `text` as its standard input."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**environment, **_WIDE},
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
