"""An action's log: lines as they come, without the secrets, up to a size."""

import base64
from collections.abc import Iterable
from typing import Protocol, Self
from urllib.parse import quote

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


class LogSink(Protocol):
    """Keeps what an action execution writes, after what earlier attempts of it have written."""

    @property
    def length(self) -> int:
        """How many bytes there are, with those of earlier attempts."""

    def append(self, data: bytes) -> None:
        """Add bytes to the end. It may wait, until the action is stopped, for room to keep them."""


class ActionLog:
    """Writes the log of an action, as a context manager.

    What it gives to the `sink` holds no secret that `mask` knows, and ends with a line saying so
    when the log would grow beyond `max_bytes`.
    """

    def __init__(self, sink: LogSink, mask: Mask, max_bytes: int) -> None:
        self._sink = sink
        self.mask = mask
        self._room = max_bytes - sink.length
        self._max_bytes = max_bytes
        self._rest = b""
        if sink.length:
            self.line("[an earlier try was interrupted; the action starts again]")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_line()

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
        self._sink.append(data[: self._room])
        self._room -= len(data)
        if self._room <= 0:
            notice = f"\n[the log ends here: it is longer than {self._max_bytes} bytes]\n"
            self._sink.append(notice.encode())
