"""The committer on both databases: each event once, each delivery once, whatever is sent again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from sqlalchemy import Connection

from hookline.errors import StoreUnavailableError
from hookline.model import Authentication, Verdict, Webhook
from hookline.receiver.entries import Entry, Frames, decode_entries, frame
from hookline.receiver.recorder.commit import Committer
from hookline.receiver.recorder.process import Recorder
from hookline.receiver.recorder.retention import Limits
from hookline.sealing import Seal
from hookline.store import deliveries, executions, pipelines, webhooks
from hookline.store.database import Database
from hookline.store.deliveries import Delivery
from support.entries import SCOPE, entry


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    kind = {"category": "Source", "owner": "AWS", "provider": "Any", "version": "1"}
    stages = [{"name": "Source", "actions": [{"name": "App", "actionTypeId": kind}]}]
    seal = Seal([b"k" * 32])
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
        hook = Webhook(
            0, SCOPE, "w", "p", "App", (), Authentication.UNAUTHENTICATED, seal.new_token()
        )
        webhooks.put(connection, seal, hook)
    yield database
    database.close()


@pytest.fixture
def commit(database: Database) -> Callable[..., list[tuple[Verdict, str | None]]]:
    def outcome(delivery: Delivery) -> tuple[Verdict, str | None]:
        return delivery.verdict, delivery.execution_id

    committer = Committer(dedupe_window=300.0)

    def commit_all(*entries: Entry) -> list[tuple[Verdict, str | None]]:
        with database.write() as connection:
            return [outcome(delivery) for delivery in committer.commit(connection, entries)]

    return commit_all


def wanted(sent: Entry) -> str:
    assert sent.start is not None
    return sent.start.execution_id


def test_t1_what_is_sent_again_is_recorded_once(
    database: Database, commit: Callable[..., list[tuple[Verdict, str | None]]]
) -> None:
    first, other = entry(key=b"a" * 32), entry()
    before = commit(first, other)
    new = entry()
    again = [msgspec.structs.replace(item, again=True) for item in (first, other, new)]
    assert commit(*again) == [*before, (Verdict.STARTED, wanted(new))]
    with database.read() as connection:
        found = {execution.id for _, execution in executions.page(connection, 1, None, 10)}
    assert found == {wanted(first), wanted(other), wanted(new)}


def test_t10_an_event_starts_one_execution_in_one_batch_and_over_several(
    commit: Callable[..., list[tuple[Verdict, str | None]]],
) -> None:
    first, second, third = (entry(key=b"a" * 32) for _ in range(3))
    started, duplicate = commit(first, second)
    assert started == (Verdict.STARTED, wanted(first))
    assert duplicate == (Verdict.DUPLICATE, wanted(first))
    assert commit(third) == [(Verdict.DUPLICATE, wanted(first))]


def test_t12_a_pipeline_that_is_gone_takes_nobody_down_with_it(
    commit: Callable[..., list[tuple[Verdict, str | None]]],
) -> None:
    gone, there = entry(key=b"a" * 32, pipeline="gone"), entry()
    assert commit(gone, there) == [(Verdict.NO_TARGET, None), (Verdict.STARTED, wanted(there))]
    # It claimed nothing: the event can still start once its pipeline is back.
    assert commit(entry(key=b"a" * 32))[0][0] is Verdict.STARTED


def test_frames_are_cut_right_wherever_the_stream_is_split() -> None:
    batches = [[entry()], [], [entry(), entry()]]
    stream = b"".join(frame(batch) for batch in batches)
    for size in (1, 3, 7, len(stream)):
        frames = Frames()
        found = [
            decode_entries(content)
            for start in range(0, len(stream), size)
            for content in frames.feed(stream[start : start + size])
        ]
        assert found == batches


@pytest.fixture
def recorder(database: Database, tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(database, Limits(30, 1_000, 365, 300.0), tmp_path, lambda: None)
    yield recorder
    recorder.close()


def test_one_delivery_that_cannot_be_recorded_does_not_harm_the_others(recorder: Recorder) -> None:
    # No column of either database takes the size.
    bad = msgspec.structs.replace(entry(), body_size=2**70)
    recorded = recorder._commit([entry(), bad, entry()])
    assert recorded is not None
    assert [Verdict[item.verdict] for item in recorded] == [
        Verdict.STARTED,
        Verdict.UNAVAILABLE,
        Verdict.STARTED,
    ]


def test_t14_what_nobody_waits_for_is_kept_while_the_store_is_away(
    recorder: Recorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    filtered = msgspec.structs.replace(entry(), start=None, verdict="FILTERED")
    recorder._backlog.add(filtered)
    with monkeypatch.context() as away:
        away.setattr(database, "write", _away)
        recorder._commit_backlog()
    assert len(recorder._backlog) == 1
    assert not recorder._backlog.is_due()
    recorder._commit_backlog()
    assert not recorder._backlog
    with database.read() as connection:
        assert deliveries.find(connection, filtered.delivery_id) is not None


def test_t14_a_commit_whose_answer_was_lost_is_not_repeated_entry_by_entry(
    recorder: Recorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lose_answer() -> Iterator[Connection]:
        with write() as connection:
            yield connection
        raise StoreUnavailableError

    write = database.write
    filtered = [msgspec.structs.replace(entry(), start=None, verdict="FILTERED") for _ in range(3)]
    for item in filtered:
        recorder._backlog.add(item)
    with monkeypatch.context() as slow:
        slow.setattr(database, "write", lose_answer)
        recorder._commit_backlog()
    assert len(recorder._backlog) == 3
    transactions = []

    @contextmanager
    def count() -> Iterator[Connection]:
        transactions.append(1)
        with write() as connection:
            yield connection

    monkeypatch.setattr(database, "write", count)
    recorder._commit_backlog()
    assert not recorder._backlog
    assert len(transactions) == 1


def test_t14_what_waits_for_a_store_that_is_away_is_bounded_in_bytes(
    recorder: Recorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = msgspec.structs.replace(
        entry(), start=None, verdict="FILTERED", body=b"x" * 1_000_000, body_size=1_000_000
    )
    sent = [msgspec.structs.replace(large, delivery_id=f"{number:036}") for number in range(200)]
    with monkeypatch.context() as away:
        away.setattr(database, "write", _away)
        for item in sent:
            recorder._backlog.add(item)
            if recorder._backlog.is_due():
                recorder._commit_backlog()
        assert len(recorder._backlog) < 64
        assert len(recorder._backlog) + recorder._backlog.dropped == 200
    recorder._commit_backlog()
    assert not recorder._backlog
    with database.read() as connection:
        kept = [deliveries.find(connection, item.delivery_id) is not None for item in sent]
    # The newest, in order.
    assert kept == sorted(kept)
    assert 60 <= sum(kept) < 64


def _away() -> NoReturn:
    raise StoreUnavailableError
