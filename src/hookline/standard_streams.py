"""Standard output and error of a server: a line that can't be written is lost, and nothing else."""

import io
import os
import select
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# How long a line waits for a slow reader; after a timeout, the next ones don't wait.
_WRITE_TIMEOUT_S = 0.05
# Both standard streams may be the same pipe, which has room for one of two writes.
_polled_write = threading.Lock()


def guard_standard_streams(lose_line: Callable[[], None]) -> None:
    """Let `print` and the log neither fail nor wait for a reader; `lose_line` counts what is lost.

    A full disk, a pipe whose reader is gone and one whose reader has stopped must not stop a
    process that serves others.
    """
    open_missing_streams()
    sys.stdout = _text(LossyOutput(1, lose_line))
    sys.stderr = _text(LossyOutput(2, lose_line))


class LossyOutput(io.RawIOBase):
    """Writes whole lines to a descriptor, or loses them."""

    def __init__(self, descriptor: int, lose_line: Callable[[], None]) -> None:
        super().__init__()
        self._is_terminal = os.isatty(descriptor)
        self.name = f"<descriptor {descriptor}>"
        self._descriptor = _opened_anew(descriptor)
        mode = os.fstat(descriptor).st_mode
        self._is_polled = _may_have_reader(mode) and os.get_blocking(self._descriptor)
        is_socket = stat.S_ISSOCK(mode)
        self._socket = socket.socket(fileno=self._descriptor) if is_socket else None
        self._lose_line = lose_line
        self._lock = threading.Lock()
        self._timeout = _WRITE_TIMEOUT_S
        self._is_torn = False

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether a person may be reading."""
        return self._is_terminal

    def close(self) -> None:
        """Close our own descriptor, not the one that was given."""
        if not self.closed:
            super().close()
            if self._socket is None:
                os.close(self._descriptor)
            else:
                self._socket.close()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of `data`, or count it as lost; its size in either case."""
        content = bytes(data)
        with self._lock:
            # What follows the first part of a line begins on a line of its own.
            missing = self._write(b"\n" + content if self._is_torn else content)
            if not missing:
                self._is_torn = False
            elif content.strip():
                self._is_torn = self._is_torn or missing < len(content)
                self._lose_line()
        return len(content)

    def _write(self, content: bytes) -> int:
        """Write as much as can be; how many bytes are missing."""
        rest = memoryview(content)
        deadline = time.monotonic() + self._timeout
        while rest:
            try:
                rest = rest[self._send(rest) :]
            except BlockingIOError:
                if not self._wait(deadline - time.monotonic()):
                    break
            except OSError:
                break
        self._timeout = 0.0 if rest else _WRITE_TIMEOUT_S
        return len(rest)

    def _send(self, data: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if self._is_polled:
            return self._send_polled(data)
        return os.write(self._descriptor, data)

    def _send_polled(self, data: memoryview) -> int:
        """Write as much as a pipe that is ready is sure to take, where a write would wait."""
        with _polled_write:
            if not self._is_ready(0):
                raise BlockingIOError
            return os.write(self._descriptor, data[: select.PIPE_BUF])

    def _wait(self, seconds: float) -> bool:
        """Whether the descriptor takes more within so many seconds."""
        return seconds > 0 and self._is_ready(seconds)

    def _is_ready(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(seconds * 1_000))


def _opened_anew(descriptor: int) -> int:
    """A descriptor of our own for the same stream, on which a write does not wait if possible."""
    try:
        if _may_have_reader(os.fstat(descriptor).st_mode):
            # O_NONBLOCK on the inherited one would be so for all that share it.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        # Another user's pipe, or one without a reader.
        pass
    return os.dup(descriptor)


def _may_have_reader(mode: int) -> bool:
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def open_missing_streams() -> None:
    """Open 0, 1 and 2 where they are closed: else the next file opened would take their place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free one, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _text(output: LossyOutput) -> io.TextIOWrapper:
    return io.TextIOWrapper(output, "utf-8", errors="backslashreplace", line_buffering=True)
