"""The backlog: bounds, order, and what goes first when there is too much."""

import msgspec

from hookline.model import new_id
from hookline.receiver.entries import Entry
from hookline.receiver.recorder.backlog import Backlog


def entry(verdict: str, body_size: int = 0, webhook_id: int = 1, header: bytes = b"") -> Entry:
    return Entry(
        delivery_id=new_id(),
        webhook_id=webhook_id,
        received_at=1.0,
        duration=0.0,
        verdict=verdict,
        authentication="UNAUTHENTICATED",
        authenticated=True,
        reason=None,
        filters=[],
        remote="127.0.0.1",
        headers={b"x": header},
        body_size=body_size,
        body=b"x" * body_size or None,
        start=None,
    )


def taken(backlog: Backlog) -> list[Entry]:
    found = []
    while batch := backlog.take():
        found += batch
    return found


def test_a_batch_is_bounded_in_bytes() -> None:
    backlog = Backlog()
    for _ in range(40):
        backlog.add(entry("FILTERED", 1_000_000))
    assert backlog.is_due()
    assert [len(backlog.take()) for _ in range(3)] == [16, 16, 8]
    assert not backlog.take()


def test_refused_ones_go_first_and_their_headers_count() -> None:
    backlog = Backlog()
    filtered = [entry("FILTERED", 1_000_000) for _ in range(40)]
    for item in filtered:
        backlog.add(item)
    # Of many webhooks, as each keeps a thousand.
    for number in range(2_000):
        backlog.add(entry("NO_SIGNATURE", webhook_id=number, header=b"y" * 30_000))
    found = taken(backlog)
    assert found[:40] == filtered
    assert 600 < len(found) - 40 < 900
    assert backlog.dropped == 2_040 - len(found)


def test_of_refused_ones_a_webhook_keeps_the_newest_thousand() -> None:
    backlog = Backlog()
    sent = [entry("NO_SIGNATURE") for _ in range(1_500)]
    for item in sent:
        backlog.add(item)
    assert len(backlog) == 1_000
    assert taken(backlog) == sent[500:]
    assert backlog.dropped == 0


def test_what_is_put_back_comes_before_what_came_meanwhile() -> None:
    backlog = Backlog()
    sent = [entry(verdict) for verdict in ("FILTERED", "FILTERED", "NO_SIGNATURE", "NO_SIGNATURE")]
    for item in sent[::2]:
        backlog.add(item)
    failed = backlog.take()
    for item in sent[1::2]:
        backlog.add(item)
    backlog.put_back(failed)
    assert not backlog.is_due()
    again = [msgspec.structs.replace(item, again=item in failed) for item in sent]
    assert taken(backlog) == again
