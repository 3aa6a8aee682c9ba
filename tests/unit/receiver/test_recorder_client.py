"""The line from a worker to the recorder: a real socket, and a real recorder that dies."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from hookline.model import Verdict
from hookline.receiver.entries import (
    Entry,
    Frames,
    Recorded,
    decode_entries,
    decode_recorded,
    frame,
)
from hookline.receiver.recorder.client import SOCKET, QueueFullError, RecorderClient
from hookline.receiver.recorder.commit import Committer
from hookline.scoreboard import RECORDER, Scoreboard, Slot
from hookline.store import deliveries, pipelines
from hookline.store.database import Database
from hookline.store.tables import deliveries as delivery_table
from hookline.store.tables import executions
from support import sqlite
from support.entries import SCOPE, entry
from support.server import clean_environment, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    database = Database(sqlite.create_database(folder / "hookline.db"))
    kind = {"category": "Source", "owner": "ThirdParty", "provider": "GitHub", "version": "1"}
    stages = [
        {"name": name, "actions": [{"name": "App", "actionTypeId": kind}]}
        for name in ("Source", "Build")
    ]
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
    yield database
    database.close()


RECORDER_PROCESS = """
import sys
from hookline import config, processes
from hookline.scoreboard import RECORDER, Scoreboard
lifeline, shared = map(int, sys.argv[1:])
scoreboard = Scoreboard(shared)
processes.run(
    "recorder",
    config.load(),
    scoreboard=scoreboard,
    slot=scoreboard.slot(RECORDER),
    lifeline=lifeline,
    listeners=[],
)
"""


class Recorders:
    """Recorder processes of one data folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lifeline, self._held = os.pipe()
        self._scoreboard = Scoreboard.create(workers=0)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def slot(self) -> Slot:
        """What the process shows its supervisor."""
        return self._scoreboard.slot(RECORDER)

    def start(self) -> None:
        own = {"HOOKLINE_CONFIG": os.devnull, "HOOKLINE_DATA_DIR": str(self._folder)}
        inherited = [self._lifeline, self._scoreboard.descriptor]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECORDER_PROCESS, *map(str, inherited)],
            env={**clean_environment(), **own},
            pass_fds=inherited,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        os.close(self._lifeline)
        os.close(self._held)
        os.close(self._scoreboard.descriptor)


@pytest.fixture
def recorders(folder: Path, database: Database) -> Iterator[Recorders]:  # noqa: ARG001 - it must exist
    recorders = Recorders(folder)
    yield recorders
    recorders.close()


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.integers(1, 7), min_size=1))
def test_frames_may_be_split_anywhere(bodies: list[bytes], cuts: list[int]) -> None:
    sent = [entry(body=body) for body in bodies]
    answers = [Recorded("a", "STARTED", None)]
    stream = b"".join(frame([item]) for item in sent) + frame(sent) + frame(answers)
    frames, contents, position, turn = Frames(), [], 0, 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        contents += list(frames.feed(stream[position : position + size]))
        position, turn = position + size, turn + 1
    assert [decode_entries(content) for content in contents[:-1]] == [*([i] for i in sent), sent]
    assert decode_recorded(contents[-1]) == answers
    assert not list(frames.feed(b""))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_frames_may_come_all_at_once(bodies: list[bytes]) -> None:
    stream = b"".join(frame([entry(body=body)]) for body in bodies)
    contents = list(Frames().feed(stream))
    assert [decode_entries(content)[0].body for content in contents] == bodies


def test_t1_entries_sent_again_are_recorded_once(database: Database) -> None:
    first, second = entry(), entry()
    with database.write() as connection:
        [began] = Committer(300.0).commit(connection, [first])
    values = {name: getattr(first, name) for name in first.__struct_fields__}
    again = Entry(**{**values, "again": True})
    with database.write() as connection:
        answered = Committer(300.0).commit(connection, [second, again])
    assert [item.id for item in answered] == [second.delivery_id, first.delivery_id]
    assert answered[1].execution_id == began.execution_id
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(executions)).scalar() == 2


def test_t1_t14_what_a_dead_recorder_did_not_answer_the_next_one_does(
    folder: Path, database: Database, recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five recorders have to start one after the other, on whatever machine.
    monkeypatch.setattr("hookline.receiver.recorder.client._DEADLINE_S", 60.0)
    wanted = [entry() for _ in range(1_500)]

    async def run() -> list[Recorded]:
        client = RecorderClient(folder)
        await client.open()
        recorders.start()
        assert await asyncio.to_thread(until, lambda: client.is_open, 30.0)
        answers = []
        for begin in range(0, len(wanted), 300):
            pending = [
                asyncio.create_task(client.record(item)) for item in wanted[begin : begin + 300]
            ]
            # Somewhere between sending, committing and answering.
            await asyncio.sleep(0.002 * (begin // 300))
            recorders.kill()
            recorders.start()
            answers += await asyncio.wait_for(asyncio.gather(*pending), 60)
        await client.close()
        return answers

    answers = asyncio.run(run())
    assert {answer.verdict for answer in answers} == {"STARTED"}
    assert [answer.delivery_id for answer in answers] == [item.delivery_id for item in wanted]
    with database.read() as connection:
        ids = connection.execute(select(executions.c.id)).scalars().all()
        recorded = connection.execute(select(delivery_table.c.execution_id)).scalars().all()
    assert sorted(ids) == sorted(answer.execution_id or "" for answer in answers)
    assert sorted(recorded) == sorted(ids)


def test_t12_a_recorder_that_waits_for_the_store_still_beats(
    folder: Path, database: Database, recorders: Recorders
) -> None:
    async def run() -> list[float]:
        client = RecorderClient(folder)
        await client.open()
        recorders.start()
        assert await asyncio.to_thread(until, lambda: client.is_open, 30.0)
        with database.write():
            waiting = asyncio.create_task(client.record(entry()))
            silences = []
            while not waiting.done():
                await asyncio.sleep(0.05)
                silences.append(recorders.slot.silence)
        assert (await waiting).verdict == "UNAVAILABLE"
        await client.close()
        return silences

    # It waits five seconds for the lock, in one call.
    assert max(asyncio.run(run())) < 4


def test_t12_a_recorder_that_is_stopped_is_given_up_after_five_seconds(
    folder: Path, database: Database, recorders: Recorders
) -> None:
    lost, kept = entry(), entry()

    async def run() -> tuple[Recorded, float, Recorded]:
        client = RecorderClient(folder)
        await client.open()
        recorders.start()
        assert recorders.process is not None
        assert await asyncio.to_thread(until, lambda: client.is_open, 30.0)
        recorders.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        answer = await client.record(lost)
        took = time.monotonic() - began
        recorders.process.send_signal(signal.SIGCONT)
        later = await client.record(kept)
        await client.close()
        return answer, took, later

    answer, took, later = asyncio.run(run())
    assert (answer.verdict, later.verdict) == ("UNAVAILABLE", "STARTED")
    # Without the limit no answer would come, as the recorder goes on only after it.
    assert 4.9 < took < 25
    with database.read() as connection:
        ids = connection.execute(select(executions.c.id)).scalars().all()
    # The sender was told to come again: what it sent first must not start, too.
    assert ids == [later.execution_id]


def test_t12_t14_what_waits_for_a_recorder_is_bounded(folder: Path) -> None:
    async def run() -> tuple[int, int]:
        client = RecorderClient(folder)
        large = noted = 0
        with suppress(QueueFullError):
            for _ in range(1_000):
                client.note(entry(Verdict.FILTERED, b"x" * 1_000_000))
                large += 1
        client = RecorderClient(folder)
        with suppress(QueueFullError):
            for _ in range(100_000):
                # An announced size is nobody's memory.
                refused = entry(Verdict.TOO_LARGE, b"")
                client.note(refused)
                noted += 1
        return large, noted

    large, noted = asyncio.run(run())
    assert 60 <= large <= 70
    assert noted == 10_000


def test_t14_what_nobody_waits_for_is_recorded_while_the_recorder_is_never_idle(
    folder: Path, database: Database, recorders: Recorders
) -> None:
    recorders.start()
    assert until((folder / SOCKET).exists, 30.0)
    time.sleep(0.3)
    stop = threading.Event()
    quiet = entry(Verdict.FILTERED)
    peers = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for peer in peers:
        peer.connect(str(folder / SOCKET))
    threads = [
        threading.Thread(target=work, args=(peer, stop)) for peer in peers[:2] for work in CROWD
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        peers[2].sendall(frame([quiet]))
        assert until(lambda: is_recorded(database, quiet.delivery_id), 1.0)
        assert until((folder / "metrics.prom").exists, 2.0)
    finally:
        stop.set()
        for peer in peers:
            peer.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for peer in peers:
            peer.close()


def pump(peer: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        # Of no pipeline, so that the store has little to do with each.
        with suppress(OSError):
            peer.sendall(frame([entry(pipeline="absent") for _ in range(200)]))


def drain(peer: socket.socket, _: threading.Event) -> None:
    with suppress(OSError):
        while peer.recv(1 << 20):
            pass


CROWD = (pump, drain)


def is_recorded(database: Database, delivery_id: str) -> bool:
    with database.read() as connection:
        return deliveries.find(connection, delivery_id) is not None
