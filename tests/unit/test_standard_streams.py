"""Output that loses what it can't write: real pipes, sockets and files that are full or gone."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hookline import standard_streams
from hookline.scoreboard import Scoreboard
from hookline.standard_streams import LossyOutput


class Pipe:
    """A pipe with a guarded writing end."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.lost = 0
        self.output = LossyOutput(self.writer, self._lose)

    def _lose(self) -> None:
        self.lost += 1

    def fill(self) -> None:
        """Write until nothing more fits."""
        while not self.lost:
            self.output.write(b"filling\n")

    def close(self) -> None:
        self.output.close()
        for descriptor in (self.reader, self.writer):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_a_line_whose_reader_is_gone_is_lost(pipe: Pipe) -> None:
    pipe.output.write(b"before\n")
    os.close(pipe.reader)
    assert pipe.output.write(b"after\n") == 6
    assert pipe.lost == 1


def test_a_line_whose_reader_has_stopped_is_lost_at_once(pipe: Pipe) -> None:
    pipe.fill()
    began = time.monotonic()
    for _ in range(1_000):
        pipe.output.write(b"more\n")
    assert pipe.lost == 1_001
    # Waiting for each would take 50 s.
    assert time.monotonic() - began < 10


@pytest.fixture
def inherited_pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A pipe that can't be opened anew, as another user's: here for want of a reader."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    class Inherited(Pipe):
        def __init__(self) -> None:
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self.writer = os.open(path, os.O_WRONLY)
            os.close(reader)
            self.lost = 0
            self.output = LossyOutput(self.writer, self._lose)
            self.reader = os.open(path, os.O_RDONLY)

    pipe = Inherited()
    yield pipe
    pipe.close()


def test_a_stopped_reader_of_another_users_pipe_does_not_stop_the_writer(
    inherited_pipe: Pipe,
) -> None:
    def write() -> None:
        inherited_pipe.fill()
        for _ in range(1_000):
            inherited_pipe.output.write(b"more " * 2_000 + b"\n")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive()
    assert inherited_pipe.lost == 1_001
    assert os.get_blocking(inherited_pipe.writer)


def test_a_reader_of_another_users_pipe_gets_long_lines_whole(inherited_pipe: Pipe) -> None:
    line = b"x" * 50_000 + b"\n"
    inherited_pipe.output.write(line)
    assert os.read(inherited_pipe.reader, 65_536) == line
    assert inherited_pipe.lost == 0


def test_a_reader_that_is_only_slow_gets_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    # Under load the reader itself may not run for longer than a line is normally waited for.
    monkeypatch.setattr(standard_streams, "_WRITE_TIMEOUT_S", 20.0)
    pipe = Pipe()
    lines = [b"%06d %s\n" % (number, b"x" * 1_000) for number in range(500)]
    received = bytearray()

    def read() -> None:
        while not received.endswith(lines[-1]):
            received.extend(os.read(pipe.reader, 65_536))
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    for line in lines:
        pipe.output.write(line)
    reader.join(60)
    pipe.close()
    assert bytes(received) == b"".join(lines)
    assert pipe.lost == 0


def test_what_follows_half_a_line_begins_on_its_own(pipe: Pipe) -> None:
    # Half of it fits.
    pipe.output.write(b"x" * 100_000 + b"\n")
    assert pipe.lost == 1
    assert set(os.read(pipe.reader, 100_000)) == {ord("x")}
    pipe.output.write(b"whole\n")
    assert os.read(pipe.reader, 100) == b"\nwhole\n"
    pipe.output.write(b"another\n")
    assert os.read(pipe.reader, 100) == b"another\n"


def test_others_that_share_the_pipe_still_wait_for_it(pipe: Pipe) -> None:
    assert os.get_blocking(pipe.writer)


def test_a_socket_that_nobody_reads_does_not_stop_the_writer() -> None:
    ours, theirs = socket.socketpair()
    lost: list[None] = []
    output = LossyOutput(ours.fileno(), lambda: lost.append(None))
    with ours, theirs:
        while not lost:
            output.write(b"x" * 1_000 + b"\n")
        assert ours.getblocking()
        assert theirs.recv(10) == b"x" * 10
    output.close()


def test_a_full_disk_loses_the_line() -> None:
    lost: list[None] = []
    with Path("/dev/full").open("wb") as full:
        output = LossyOutput(full.fileno(), lambda: lost.append(None))
        output.write(b"one\n")
        output.write(b"two\n")
    output.close()
    assert len(lost) == 2


def test_lost_lines_are_counted_over_all_processes() -> None:
    scoreboard = Scoreboard.create(workers=2)
    seen_elsewhere = Scoreboard(os.dup(scoreboard.descriptor))
    for index in (0, 4, 4):
        scoreboard.slot(index).lose_line()
    assert seen_elsewhere.lines_lost == 3
    os.close(scoreboard.descriptor)
    os.close(seen_elsewhere.descriptor)
