"""The store's modules against both databases, and who wins where several write at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.executions.take import take
from hookline.model import (
    DEFAULT_LABEL,
    Authentication,
    ExecutionStatus,
    Pipeline,
    Scope,
    SourceRevision,
    Trigger,
    Verdict,
    Webhook,
    new_id,
)
from hookline.sealing import Seal
from hookline.store import (
    action_executions,
    credentials,
    deliveries,
    executions,
    pipelines,
    tags,
    webhooks,
)
from hookline.store.database import Database
from hookline.store.deliveries import Delivery
from hookline.store.node_state import NodeState
from hookline.store.tables import source_revisions
from hookline.store.tables import webhooks as webhook_table
from support.entries import SCOPE
from support.node import TestNode

OTHER = Scope("111111111111", "eu-west-1")
MakePipeline = Callable[..., Pipeline]
MakeWebhook = Callable[..., Webhook]


def starts(count: int) -> list[StartRequest]:
    trigger = Trigger("Webhook", "arn")
    return [
        StartRequest(SCOPE, "p", new_id(), trigger, (SourceRevision("App", "1" * 40),))
        for _ in range(count)
    ]


def test_p2_p3_a_webhook_comes_back_as_it_was_put(
    database: Database, seal: Seal, make_webhook: MakeWebhook
) -> None:
    made = make_webhook()
    assert (made.secret_token, made.filters[1].match_equals) == ("secret", None)
    other = replace(made, token="not used", secret_token=None, authentication=Authentication.IP)
    with database.write() as connection:
        webhooks.put(connection, seal, replace(other, allowed_ip_range="10.0.0.0/8"))
        again = webhooks.find(connection, seal, SCOPE, "w")
        assert webhooks.find_by_token(connection, seal, made.token) == again
        assert webhooks.find_by_token(connection, seal, "not used") is None
        [row] = connection.execute(select(webhook_table))
    assert again == replace(other, token=made.token, allowed_ip_range="10.0.0.0/8")
    assert made.token.encode() not in row.token_sealed + row.token_hash


def test_w6_scopes_do_not_see_each_other(
    database: Database, seal: Seal, make_webhook: MakeWebhook, make_pipeline: MakePipeline
) -> None:
    for scope in (SCOPE, OTHER):
        make_webhook(scope=scope)
        make_pipeline(scope=scope)
    with database.write() as connection:
        assert webhooks.count(connection, OTHER) == pipelines.count(connection, OTHER) == 1
        webhooks.remove(connection, OTHER, "w")
        assert not webhooks.remove(connection, OTHER, "w")
        assert pipelines.remove(connection, OTHER, "p") is not None
        assert webhooks.find(connection, seal, SCOPE, "w") is not None
        assert pipelines.find(connection, SCOPE, "p") is not None
        assert pipelines.find(connection, OTHER, "p") is None


def test_l2_pages_are_in_the_same_order_on_both_databases(
    database: Database, seal: Seal, make_webhook: MakeWebhook
) -> None:
    names = ["a", "B", "b", "a-b", "a.b", "a_b", "ab", "A", "Z", "1"]
    for name in names:
        make_webhook(name)
    with database.read() as connection:
        whole = [item.name for item in webhooks.page(connection, seal, SCOPE, None, 100)]
        pages: list[str] = []
        while found := webhooks.page(connection, seal, SCOPE, pages[-1] if pages else None, 3):
            pages += [item.name for item in found]
    assert pages == whole == sorted(names)


def test_a_pipeline_keeps_its_versions(database: Database, make_pipeline: MakePipeline) -> None:
    first = make_pipeline()
    with database.write() as connection:
        assert pipelines.create(connection, SCOPE, first.declaration) is None
        changed = {**first.declaration, "roleArn": "new"}
        second = pipelines.update_declaration(connection, SCOPE, changed)
        assert second is not None
        assert (first.version, second.version, second.id) == (1, 2, first.id)
        assert pipelines.get(connection, first.id, 1) == first
        assert pipelines.current(connection, first.id) == second
        assert pipelines.find(connection, SCOPE, "p", 3) is None
        assert pipelines.update_declaration(connection, OTHER, changed) is None


def test_a_name_used_again_is_another_pipeline(
    database: Database, make_pipeline: MakePipeline
) -> None:
    first = make_pipeline()
    with database.write() as connection:
        pipelines.remove(connection, SCOPE, "p")
    assert make_pipeline().id > first.id


def test_tags_and_credentials(database: Database, seal: Seal) -> None:
    with database.write() as connection:
        tags.replace(connection, "arn", {"b": "2", "a": "1"})
        tags.replace(connection, "other", {"x": "y"})
        tags.replace(connection, "arn", {"c": "é", "a": ""})
        assert tags.of(connection, ["arn", "absent"]) == {"arn": {"a": "", "c": "é"}, "absent": {}}
        made = credentials.create(connection, seal, "111111111111")
        assert credentials.find(connection, seal, made.access_key_id) == made
        assert credentials.all_of(connection, seal) == [made]
        assert credentials.remove(connection, made.access_key_id)
        assert not credentials.remove(connection, made.access_key_id)
        assert credentials.count(connection) == 0


def test_t14_a_delivery_comes_back_as_it_was_recorded(database: Database) -> None:
    body = bytes(range(256)) * 40
    recorded = [
        Delivery(
            id=new_id(),
            webhook_id=webhook_id,
            received_at=time.time(),
            verdict=verdict,
            remote="::1",
            headers={"x": "é"},
            trace={"filters": []},
            body_size=len(body),
            body=kept,
        )
        for webhook_id, verdict, kept in (
            (1, Verdict.STARTED, body),
            (1, Verdict.BAD_SIGNATURE, None),
            (2, Verdict.FILTERED, b""),
        )
    ]
    with database.write() as connection:
        deliveries.insert(connection, recorded)
        deliveries.insert(connection, [])
        assert [deliveries.find(connection, item.id) for item in recorded] == recorded
        assert deliveries.find(connection, new_id()) is None
        assert set(map(repr, deliveries.newest(connection, 1, 10))) == set(map(repr, recorded[:2]))
        assert len(deliveries.newest(connection, None, 2)) == 2


def test_t10_a_claim_is_held_for_its_window(database: Database) -> None:
    with database.write() as connection:
        assert deliveries.claim_events(connection, {}, 100.0, 10.0) == {}
        first = deliveries.claim_events(connection, {b"a": "1", b"b": "2"}, 100.0, 10.0)
        second = deliveries.claim_events(connection, {b"a": "3", b"c": "4"}, 110.0, 10.0)
        third = deliveries.claim_events(connection, {b"a": "5", b"c": "6"}, 110.1, 10.0)
    assert first == {b"a": "1", b"b": "2"}
    assert second == {b"a": "1", b"c": "4"}
    assert third == {b"a": "5", b"c": "4"}


def test_t10_concurrent_claims_have_exactly_one_winner(database: Database) -> None:
    keys = [bytes([number]) for number in range(20)]
    barrier = threading.Barrier(8)

    def claim(number: int) -> dict[bytes, str]:
        barrier.wait()
        # In opposite orders, so that claims that lock in the order given would block each other.
        mine = keys if number % 2 else keys[::-1]
        with database.write() as connection:
            wanted = dict.fromkeys(mine, f"{number}")
            return deliveries.claim_events(connection, wanted, time.time(), 300.0)

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claim, range(8)))
    for key in keys:
        assert len({held[key] for held in claims}) == 1


def test_p2_concurrent_puts_make_one_webhook(
    database: Database, seal: Seal, make_webhook: MakeWebhook
) -> None:
    make_webhook()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_webhook(), range(16)))
    assert len({(item.id, item.token) for item in made}) == 1
    with database.read() as connection:
        assert webhooks.count(connection, SCOPE) == 1
        assert webhooks.find(connection, seal, SCOPE, "w") == made[0]


def test_a_burst_costs_rows_and_one_stage(database: Database, make_pipeline: MakePipeline) -> None:
    pipeline, wishes = make_pipeline(), starts(50)
    with database.write() as connection:
        start(connection, pipeline, wishes)
        found = executions.page(connection, pipeline.id, None, 100)
        taken = action_executions.take(connection, "node", [DEFAULT_LABEL], 100)
        [active] = executions.active(connection, pipeline.id)
    assert [execution.id for _, execution in found] == [
        wish.execution_id for wish in reversed(wishes)
    ]
    assert Counter(execution.status for _, execution in found) == {
        ExecutionStatus.SUPERSEDED: 49,
        ExecutionStatus.IN_PROGRESS: 1,
    }
    assert len(taken) == 1
    assert active.execution_id == wishes[-1].execution_id
    assert found[0][1].source_revisions == (SourceRevision("App", "1" * 40),)


def test_concurrent_starts_leave_one_execution_in_the_stage(
    database: Database, make_pipeline: MakePipeline
) -> None:
    make_pipeline()

    def begin(_: int) -> None:
        with database.write() as connection:
            [locked] = pipelines.lock(connection, [(SCOPE, "p")]).values()
            pipeline = pipelines.get(connection, locked.id, locked.version)
            assert pipeline is not None
            start(connection, pipeline, starts(2))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(16)))
    with database.read() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        positions = executions.active(connection, pipeline.id)
    assert Counter(position.in_stage for position in positions) == {True: 1, False: 1}


def test_concurrent_takes_give_each_action_to_one_node(
    database: Database, make_pipeline: MakePipeline
) -> None:
    pipeline = make_pipeline(executionMode="PARALLEL")
    with database.write() as connection:
        start(connection, pipeline, starts(40))

    def take_all(node: TestNode) -> list[str]:
        mine: list[str] = []
        while True:
            taken = take(database, node.instance, [DEFAULT_LABEL], 3)
            assert len(taken) <= 3
            if not taken:
                return mine
            mine += [held.id for held in taken]

    nodes = [TestNode(database) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        by_node = list(pool.map(take_all, nodes))
    everything = [identifier for taken in by_node for identifier in taken]
    assert len(everything) == len(set(everything)) == 40
    with database.read() as connection:
        assert not action_executions.any_runnable(connection, [DEFAULT_LABEL])
        for node, taken in zip(nodes, by_node, strict=True):
            owned = action_executions.owned(connection, node.instance)
            assert sorted(item.id for item in owned) == sorted(taken)


def test_an_execution_is_found_by_the_revisions_that_it_has_now(
    database: Database, make_pipeline: MakePipeline
) -> None:
    pipeline, other = make_pipeline(executionMode="QUEUED"), make_pipeline("other")
    brought, fetched = (SourceRevision("App", digit * 40) for digit in "12")
    earlier, later = starts(2)

    def found(revision: SourceRevision, of: Pipeline = pipeline) -> str | None:
        with database.read() as connection:
            execution = executions.find_by_revision(connection, of.id, revision)
        return None if execution is None else execution.id

    with database.write() as connection:
        start(connection, pipeline, [earlier, later])
    assert found(brought) == later.execution_id
    assert found(brought, other) is None
    assert found(replace(brought, action_name="Lib")) is None
    with database.write() as connection:
        for revision in (brought, fetched):
            executions.set_source_revision(connection, later.execution_id, revision)
    assert found(brought) == earlier.execution_id
    assert found(fetched) == later.execution_id
    with database.write() as connection:
        executions.remove(connection, [earlier.execution_id])
        keys = connection.execute(select(source_revisions.c.execution_id)).scalars().all()
    assert keys == [later.execution_id]


def test_work_wakes_the_listener(database: Database, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    listener = database.listener()
    listener.wait(0.2)
    listener.wait(0.2)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.wait, 10.0)
        time.sleep(0.2)
        with database.write() as connection:
            start(connection, pipeline, starts(1))
        waiting.result()
    assert time.monotonic() - began < 5
    listener.close()


def test_a_name_is_held_until_it_is_let_go(database: Database) -> None:
    first, second, other = (database.hold(name) for name in ("node:a", "node:a", "node:b"))
    assert first.acquire()
    if database.engine.dialect.name == "postgresql":
        assert not second.acquire()
    assert other.acquire()
    first.close()
    assert second.acquire()
    for held in (second, other):
        held.close()


def test_processes_share_the_nodes_state(tmp_path: Path) -> None:
    one, other = NodeState(tmp_path / "state"), NodeState(tmp_path / "state")
    assert other.engine_age() > 1_000
    seen = other.generation
    one.definitions_changed()
    assert other.generation != seen
    one.beat()
    assert 0 <= other.engine_age() < 1
    one.engine_stopped()
    assert other.engine_age() > 1_000
