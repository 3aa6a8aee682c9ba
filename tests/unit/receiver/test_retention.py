"""What is old is forgotten, in small steps, on both databases."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from hookline.builds.build import Build
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.model import (
    ConditionStatus,
    ConditionType,
    ExecutionStatus,
    Pipeline,
    Scope,
    Trigger,
    Verdict,
    first_id_at,
    new_id,
)
from hookline.receiver.recorder import retention
from hookline.receiver.recorder.retention import Limits, Retention
from hookline.store import (
    action_executions,
    builds,
    condition_executions,
    deliveries,
    executions,
    pipelines,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.condition_executions import ConditionExecution
from hookline.store.database import Database
from hookline.store.deliveries import Delivery
from hookline.store.tables import action_executions as action_table
from hookline.store.tables import builds as build_table
from hookline.store.tables import condition_executions as condition_table
from hookline.store.tables import dedupe, stage_executions
from hookline.store.tables import deliveries as delivery_table
from hookline.store.tables import executions as execution_table

DAY = 86_400.0
LIMITS = Limits(
    delivery_days=30.0, delivery_count=1_000_000, execution_days=365.0, dedupe_window=300.0
)


def delivery(age: float) -> Delivery:
    """A delivery of so many seconds ago, with the id that it had got then."""
    moment = time.time() - age
    return Delivery(
        id=first_id_at(moment) + new_id()[13:],
        webhook_id=1,
        received_at=moment,
        verdict=Verdict.STARTED,
        remote="127.0.0.1",
        headers={},
        trace={},
        body_size=2,
        body=b"{}",
    )


def insert(database: Database, ages: list[float]) -> list[str]:
    made = [delivery(age) for age in ages]
    with database.write() as connection:
        deliveries.insert(connection, made)
    return [item.id for item in made]


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def kept(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(delivery_table.c.id)).scalars())


def _retention(database: Database, limits: Limits) -> Retention:
    return Retention(database, limits, lambda: None)


def test_each_transaction_begins_with_a_beat(database: Database) -> None:
    beats: list[int] = []
    Retention(database, LIMITS, lambda: beats.append(1)).step()
    assert len(beats) == 5


def test_deliveries_go_by_their_age(database: Database) -> None:
    old = insert(database, [31 * DAY, 30 * DAY + 60])
    young = insert(database, [30 * DAY - 60, DAY, 0.0])
    _retention(database, LIMITS).step()
    assert kept(database) == set(young)
    assert not kept(database) & set(old)


def test_deliveries_go_by_their_count_the_oldest_first(database: Database) -> None:
    ids = insert(database, [float(age) for age in range(50, 0, -1)])
    _retention(database, _limits(delivery_count=20)).step()
    assert kept(database) == set(ids[-20:])
    _retention(database, _limits(delivery_count=20)).step()
    assert kept(database) == set(ids[-20:])


def test_the_count_is_not_taken_again_while_there_is_more_to_forget(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_STEP", 10)
    counted = []
    count_once = deliveries.oldest_of_newest

    def counting(*arguments: Any) -> str | None:
        counted.append(arguments)
        return count_once(*arguments)

    monkeypatch.setattr(deliveries, "oldest_of_newest", counting)
    ids = insert(database, [float(age) for age in range(55, 0, -1)])
    keeping = _retention(database, _limits(delivery_count=20))
    for _ in range(4):
        keeping.step()
    assert len(counted) == 1
    keeping.step()
    assert len(counted) == 2
    assert kept(database) == set(ids[-20:])


def test_a_step_is_small_and_the_next_one_soon_until_all_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_STEP", 10)
    insert(database, [40 * DAY + age for age in range(25)] + [0.0])
    keeping = _retention(database, LIMITS)
    left, soon = [], []
    for _ in range(4):
        keeping.step()
        left.append(count(database, delivery_table))
        soon.append(keeping.due_in() < 2)
    assert left == [16, 6, 1, 1]
    assert soon == [True, True, False, False]


def test_t10_events_are_forgotten_when_they_count_no_more(database: Database) -> None:
    now = time.time()
    with database.write() as connection:
        deliveries.claim_events(connection, {b"a" * 32: "1"}, now - 301, 300.0)
        deliveries.claim_events(connection, {b"b" * 32: "2"}, now - 200, 300.0)
    _retention(database, LIMITS).step()
    with database.read() as connection:
        assert connection.execute(select(dedupe.c.execution_id)).scalars().all() == ["2"]


def test_executions_go_when_they_ended_long_ago_with_all_of_theirs(
    database: Database, make_pipeline: Callable[[], Pipeline]
) -> None:
    pipeline = make_pipeline()
    names = [new_id() for _ in range(4)]
    with database.write() as connection:
        trigger = Trigger("Webhook", "arn")
        start(
            connection,
            pipeline,
            [StartRequest(pipeline.scope, "p", name, trigger) for name in names],
        )
    ended, recent, running, waiting = names
    with database.write() as connection:
        for name in (ended, recent):
            executions.finish(connection, name, ExecutionStatus.SUCCEEDED)
        for name in (ended, running):
            connection.execute(
                update(execution_table)
                .where(execution_table.c.id == name)
                .values(updated_at=time.time() - 366 * DAY)
            )
        stages = list(connection.execute(select(stage_executions.c.execution_id)).scalars())
        for name in (ended, recent):
            ask(connection, pipeline, name)
    _retention(database, LIMITS).step()
    with database.read() as connection:
        left = set(connection.execute(select(execution_table.c.id)).scalars())
        now = list(connection.execute(select(stage_executions.c.execution_id)).scalars())
        asked = connection.execute(select(condition_table.c.execution_id)).scalars().all()
        is_rule = action_table.c.condition_type.is_not(None)
        rules = (
            connection.execute(select(action_table.c.execution_id).where(is_rule)).scalars().all()
        )
    assert left == {recent, running, waiting}
    assert now == [name for name in stages if name != ended]
    assert asked == rules == [recent]


def ask(connection: Connection, pipeline: Pipeline, execution_id: str) -> None:
    """Keep that a condition with one rule was asked."""
    common: dict[str, Any] = {
        "stage_execution_id": new_id(),
        "execution_id": execution_id,
        "pipeline_id": pipeline.id,
        "stage_name": "Build",
        "started_at": 0.0,
        "updated_at": 0.0,
    }
    kind = ConditionType.BEFORE_ENTRY
    met = ConditionExecution(type=kind, status=ConditionStatus.SUCCEEDED, **common)
    condition_executions.put(connection, met)
    rule = ActionExecution(
        id=new_id(), pipeline_version=1, condition_type=kind, action_name="Check", **common
    )
    action_executions.insert(connection, [rule])


@pytest.fixture
def make_pipeline(database: Database) -> Callable[[], Pipeline]:
    def make() -> Pipeline:
        kind = {"category": "Source", "owner": "ThirdParty", "provider": "GitHub", "version": "1"}
        stages = [
            {"name": name, "actions": [{"name": "App", "actionTypeId": kind}]}
            for name in ("Source", "Build")
        ]
        with database.write() as connection:
            declared = {"name": "p", "stages": stages, "executionMode": "PARALLEL"}
            made = pipelines.create(connection, Scope("000000000000", "us-east-1"), declared)
        assert made is not None
        return made

    return make


def _limits(**changed: Any) -> Limits:
    return Limits(
        **{
            name: changed.get(name, getattr(LIMITS, name))
            for name in ("delivery_days", "delivery_count", "execution_days", "dedupe_window")
        }
    )


def test_nothing_is_due_at_once_and_a_rest_is_long(database: Database) -> None:
    keeping = _retention(database, LIMITS)
    assert 0 < keeping.due_in() <= 1
    keeping.rest()
    assert 50 < keeping.due_in() <= 60


def test_builds_are_forgotten_as_executions_are_by_when_they_ended(database: Database) -> None:
    ages = {"old": 366.0, "new": 364.0, "running": None}
    with database.write() as connection:
        for name, age in ages.items():
            builds.put(
                connection,
                Build(
                    scope=Scope("000000000000", "us-east-1"),
                    uuid=new_id(),
                    project_name=name,
                    number=1,
                    definition={},
                    initiator="codepipeline/p",
                    started_at=0.0,
                    ended_at=None if age is None else time.time() - age * DAY,
                ),
            )
    Retention(database, LIMITS, lambda: None).step()
    with database.read() as connection:
        kept = set(connection.scalars(select(build_table.c.project_name)))
    assert kept == {"new", "running"}
