"""Contract X8: what is forgotten with its artifacts and logs, and what is still needed."""

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Connection, Float, Integer, Table

from hookline.actions.archives import Bounds
from hookline.actions.artifacts import ArtifactStore, key_of
from hookline.errors import ActionError
from hookline.executions import retention
from hookline.executions.retention import ArtifactRetention, forget
from hookline.model import Pipeline, Scope, new_id
from hookline.store import (
    action_executions,
    action_logs,
    executions,
    pipelines,
    tables,
)
from hookline.store.action_logs import CHUNK, Part
from hookline.store.database import Database

SCOPE = Scope("000000000000", "us-east-1")
FOR_EVER = float("inf")


def action(name: str, category: str) -> dict[str, object]:
    kind = {"category": category, "owner": "AWS", "provider": "Any", "version": "1"}
    return {"name": name, "actionTypeId": kind}


@pytest.fixture
def pipeline(database: Database) -> Pipeline:
    stages = [
        {"name": "Source", "actions": [action("App", "Source")]},
        {"name": "Build", "actions": [action("Make", "Build")]},
    ]
    with database.write() as connection:
        made = pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
    assert made is not None
    return made


def insert(connection: Connection, table: Table, **values: Any) -> None:
    """Add a row in which everything else that may not be null is empty."""
    empty = {
        column.name: 0 if isinstance(column.type, Integer | Float | Boolean) else ""
        for column in table.columns
        if not column.nullable and column.autoincrement is not True
    }
    connection.execute(table.insert().values(empty | values))


Run = Callable[..., str]


@pytest.fixture
def run(database: Database, pipeline: Pipeline) -> Run:
    """Keeps an execution that has passed the first stage and is so in the second; its id."""

    def run_one(build: str = "Succeeded", rollback_target: str | None = None) -> str:
        execution_id, now = new_id(), time.time()
        common = {"execution_id": execution_id, "pipeline_id": pipeline.id, "started_at": now}
        with database.write() as connection:
            insert(
                connection,
                tables.executions,
                id=execution_id,
                pipeline_id=pipeline.id,
                pipeline_version=pipeline.version,
                status=build,
                mode="SUPERSEDED",
                source_revisions=[],
                rollback_target=rollback_target,
            )
            ended = {"Source": "Succeeded", "Build": build}
            for stage_name, action_name in (("Source", "App"), ("Build", "Make")):
                if stage_name == "Source" and rollback_target is not None:
                    continue
                stage = {**common, "stage_name": stage_name, "status": ended[stage_name]}
                insert(connection, tables.stage_executions, id=new_id(), **stage)
                insert(
                    connection,
                    tables.action_executions,
                    **stage,
                    id=new_id(),
                    action_name=action_name,
                    inputs={},
                    outputs={"Out": key_of(pipeline.id, execution_id, new_id(), 1, "Out")},
                )
        return execution_id

    return run_one


def end(database: Database, execution_id: str, status: str) -> None:
    """Let what an execution still does end."""
    with database.write() as connection:
        for table, column in (
            (tables.executions, tables.executions.c.id),
            (tables.stage_executions, tables.stage_executions.c.execution_id),
        ):
            ended = table.update().where(column == execution_id, table.c.status == "InProgress")
            connection.execute(ended.values(status=status))


def forgotten(database: Database, *ids: str) -> set[str]:
    """Those of the executions that are forgotten when all that ended is old."""
    with database.write() as connection:
        forget(connection, FOR_EVER, None, 500)
        return {item for item in ids if executions.find(connection, item) is None}


def test_x8_a_stage_that_may_be_retried_and_what_it_would_roll_back_to_are_kept(
    database: Database, run: Run
) -> None:
    older, good = run(), run()
    failed = run("Failed")
    assert forgotten(database, older, good, failed) == {older}
    newer = run()
    assert forgotten(database, good, failed, newer) == {good, failed}


def test_x8_an_open_approval_is_kept_and_all_that_came_before_it(
    database: Database, run: Run
) -> None:
    waiting = run("InProgress")
    later = [run(), run()]
    assert forgotten(database, waiting, *later) == {later[0]}
    with database.read() as connection:
        kept = action_executions.of_execution(connection, waiting)
    assert {item.action_name for item in kept} == {"App", "Make"}


def test_x8_the_target_of_a_rollback_is_kept_as_long_as_that_runs_or_may_be_retried(
    database: Database, run: Run
) -> None:
    target, latest = run(), run()
    rollback = run("InProgress", target)
    assert forgotten(database, target, latest, rollback) == set()
    end(database, rollback, "Failed")
    assert forgotten(database, target, latest, rollback) == set()
    newest = run()
    assert forgotten(database, target, latest, newest) == {target, latest}


def test_all_of_a_deleted_pipeline_is_forgotten(
    database: Database, pipeline: Pipeline, run: Run
) -> None:
    ids = [run(), run("Failed")]
    with database.write() as connection:
        pipelines.remove(connection, SCOPE, pipeline.name)
    assert forgotten(database, *ids) == set(ids)


def test_what_is_kept_does_not_hold_up_the_rest(database: Database, run: Run) -> None:
    target, *ids = [run(), run(), run(), run()]
    run("InProgress", target)
    with database.write() as connection:
        last = forget(connection, FOR_EVER, None, 1)
        assert last is not None
        assert last[1] == target
        last = forget(connection, FOR_EVER, last, 2)
        assert last is not None
        assert last[1] == ids[1]
        assert forget(connection, FOR_EVER, last, 2) is None
        assert forget(connection, -1.0, None, 2) is None
    with database.read() as connection:
        assert set(executions.find_all(connection, [target, *ids])) == {target, ids[-1]}


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def logged(database: Database, execution_id: str, chunks: int) -> list[str]:
    """Write a log of each action of an execution; the ids of these."""
    with database.write() as connection:
        ids = [item.id for item in action_executions.of_execution(connection, execution_id)]
        for item in ids:
            action_logs.append(connection, Part(item, 0, b"x" * CHUNK * chunks))
    return ids


def log_lengths(database: Database, ids: Collection[str]) -> list[int]:
    with database.read() as connection:
        return [action_logs.length(connection, item) for item in ids]


def test_x8_only_the_logs_of_forgotten_executions_are_deleted(database: Database, run: Run) -> None:
    old, kept = run(), run()
    gone, stay = (logged(database, item, 2) for item in (old, kept))
    assert forgotten(database, old, kept) == {old}
    assert log_lengths(database, gone) == [0, 0]
    assert log_lengths(database, stay) == [2 * CHUNK, 2 * CHUNK]


def test_executions_with_long_logs_are_forgotten_a_few_at_a_time(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_CHUNKS", 8)
    ids = [run() for _ in range(5)]
    lengths = [1, 2, 2, 9, 1]
    for execution_id, length in zip(ids, lengths, strict=True):
        logged(database, execution_id, length)
    run()
    left, after = [], None
    for _ in range(4):
        with database.write() as connection:
            after = forget(connection, FOR_EVER, after, 500)
            left.append(sum(executions.find(connection, item) is not None for item in ids))
    assert left == [3, 2, 1, 0]
    assert after is None


def test_x8_only_the_artifacts_of_forgotten_executions_are_deleted(
    database: Database, artifacts: ArtifactStore, pipeline: Pipeline, run: Run, tmp_path: Path
) -> None:
    old, kept = run(), run()
    source = tmp_path / "source"
    source.mkdir()
    keys = {}
    for execution_id in (old, kept):
        with database.read() as connection:
            found = action_executions.of_execution(connection, execution_id)
        keys[execution_id] = [key for item in found for key in item.outputs.values()]
        # One whose action was interrupted is in no row.
        keys[execution_id].append(key_of(pipeline.id, execution_id, new_id(), 1, "Interrupted"))
        for key in keys[execution_id]:
            artifacts.pack(key, source, bounds=Bounds(1_000_000))
    foreign = tmp_path / "artifacts" / "photo.jpg"
    foreign.write_text("theirs")
    os.utime(foreign, (0, 0))

    cleaning = ArtifactRetention(database, artifacts)
    cleaning.run()
    assert all(map(artifacts.has, keys[old]))
    assert forgotten(database, old, kept) == {old}
    cleaning.run()

    assert not any(map(artifacts.has, keys[old]))
    assert all(map(artifacts.has, keys[kept]))
    assert foreign.exists()
    with database.read() as connection:
        assert executions.discarded(connection, 10) == []


def test_what_cannot_be_deleted_is_tried_again_and_holds_up_nothing_else(
    database: Database, run: Run, tmp_path: Path
) -> None:
    class Stubborn(ArtifactStore):
        stuck: Collection[str] = ()

        def forget(self, pipeline_id: int, execution_id: str) -> int:
            if execution_id in self.stuck:
                raise ActionError(f"no {execution_id}")
            return super().forget(pipeline_id, execution_id)

    def left() -> list[str]:
        with database.read() as connection:
            return [item for _, item in executions.discarded(connection, 10)]

    old = sorted([run(), run(), run()])
    run()
    assert forgotten(database, *old) == set(old)
    store = Stubborn(str(tmp_path / "artifacts"))
    cleaning = ArtifactRetention(database, store)

    store.stuck = old[:2]
    cleaning.run()
    assert left() == old[:2]

    store.stuck = ()
    cleaning.run()
    assert left() == []
