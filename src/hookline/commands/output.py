"""What commands print, safe to show on a terminal whoever sent it, and what they write."""

import os
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hookline.errors import HooklineError
from hookline.terminal import printable

# No table is as wide; what is not read by a person is not wrapped either.
_UNWRAPPED = 10_000


def cell(text: str | None, style: str = "") -> Text:
    """A text that came from outside, for a table: no markup, no control characters."""
    return Text(printable(text or ""), style)


def moment(seconds: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, with milliseconds."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def console() -> Console:
    """Where commands print: as wide as the terminal, or without wrapping into files and pipes."""
    made = Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNWRAPPED
    return made


def write_private(file: Path, text: str, *, new: bool = False) -> None:
    """Write a file that only its owner can read; with `new` it must not exist yet.

    Raises HooklineError.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC)
    try:
        descriptor = os.open(file, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            # One that was there keeps its mode otherwise.
            os.fchmod(descriptor, 0o600)
            stream.write(text)
    except OSError as error:
        raise HooklineError(f"{file} can't be written: {error.strerror}") from error
