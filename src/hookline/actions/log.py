"""An action's log: lines as they come, without the secrets, up to a size."""

import base64
import os
import stat
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Self
from urllib.parse import quote

from hookline.errors import ActionError

_MASK = "****"
_LONGEST_LINE = 65_536
_SHORTEST_LINE = 6


class Mask:
    """Replaces secrets in texts: as they are, line by line, in base64 and quoted for a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(
            (form.encode() for form in forms if form.strip()), key=len, reverse=True
        )
        self.longest = max(map(len, self._forms), default=1)

    def bytes(self, data: bytes) -> bytes:
        """`data` without the secrets."""
        for form in self._forms:
            data = data.replace(form, _MASK.encode())
        return data

    def text(self, text: str) -> str:
        """`text` without the secrets."""
        return self.bytes(text.encode(errors="replace")).decode(errors="replace")


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    yield base64.b64encode(secret.encode()).decode()
    lines = (line.strip() for line in secret.splitlines())
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _opened(path: Path) -> FileIO:
    """The log, unless a command has put a pipe, a device or a link in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = FileIO(os.open(path, flags, 0o666), "ab")
    except OSError as error:
        raise ActionError(
            f"The action's log can't be written: {error.strerror}", "SystemUnavailable"
        ) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ActionError("The action's log is not a regular file")
    return file


class ActionLog:
    """Appends to the log file of an action, as a context manager.

    The file never holds a secret that `mask` knows, and ends with a line saying so when it would
    have grown beyond `max_bytes`.
    """

    def __init__(self, path: Path, mask: Mask, max_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _opened(path)
        self.mask = mask
        self._room = max_bytes - self._file.tell()
        self._max_bytes = max_bytes
        self._rest = b""
        if self._file.tell():
            self.line("[an earlier try was interrupted; the action starts again]")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_line()
        self._file.close()

    def line(self, text: str) -> None:
        """Write a line of ours."""
        self.end_line()
        self.write(text.encode(errors="replace") + b"\n")

    def write(self, data: bytes) -> None:
        """Take output as it comes; whole lines are written at once."""
        lines, newline, rest = (self._rest + data).rpartition(b"\n")
        if newline:
            self._append(self.mask.bytes(lines + newline))
        if len(rest) > _LONGEST_LINE:
            masked = self.mask.bytes(rest)
            keep = self.mask.longest
            self._append(masked[:-keep])
            rest = masked[-keep:]
        self._rest = rest

    def end_line(self) -> None:
        """Write what came without a newline at its end."""
        if self._rest:
            self._append(self.mask.bytes(self._rest) + b"\n")
            self._rest = b""

    def _append(self, data: bytes) -> None:
        if self._room <= 0:
            return
        self._file.write(data[: self._room])
        self._room -= len(data)
        if self._room <= 0:
            notice = f"\n[the log ends here: it is longer than {self._max_bytes} bytes]\n"
            self._file.write(notice.encode())
