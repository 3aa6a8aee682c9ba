"""Pipelines and all their versions."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, select, update

from hookline.model import ExecutionMode, Pipeline, Scope, stages_of
from hookline.store import dialect
from hookline.store.tables import pipeline_versions, pipelines


def lock_scope(connection: Connection, scope: Scope) -> None:
    """Let nobody else create pipelines of this scope until the transaction ends."""
    dialect.serialize(connection, f"pipelines:{scope.account}:{scope.region}")


def create(connection: Connection, scope: Scope, declaration: Mapping[str, Any]) -> Pipeline | None:
    """Keep a new pipeline as version 1; None when its name is in use."""
    if find(connection, scope, declaration["name"]) is not None:
        return None
    now = time.time()
    connection.execute(
        pipelines.insert().values(
            account=scope.account,
            region=scope.region,
            name=declaration["name"],
            version=1,
            created_at=now,
            updated_at=now,
        )
    )
    _add_version(connection, scope, declaration, 1, now)
    return find(connection, scope, declaration["name"])


def update_declaration(
    connection: Connection, scope: Scope, declaration: Mapping[str, Any]
) -> Pipeline | None:
    """Keep a new version of a pipeline; None when there is no such pipeline."""
    now = time.time()
    version = connection.execute(
        update(pipelines)
        .where(_is(scope, declaration["name"]))
        .values(version=pipelines.c.version + 1, updated_at=now)
        .returning(pipelines.c.version)
    ).scalar()
    if version is None:
        return None
    _add_version(connection, scope, declaration, version, now)
    return find(connection, scope, declaration["name"])


def _add_version(
    connection: Connection, scope: Scope, declaration: Mapping[str, Any], version: int, now: float
) -> None:
    identifier = select(pipelines.c.id).where(_is(scope, declaration["name"])).scalar_subquery()
    connection.execute(
        pipeline_versions.insert().values(
            pipeline_id=identifier,
            version=version,
            declaration={**declaration, "version": version},
            created_at=now,
        )
    )


def remove(connection: Connection, scope: Scope, name: str) -> int | None:
    """Delete a pipeline; its id, or None when it was not there."""
    return connection.execute(
        delete(pipelines).where(_is(scope, name)).returning(pipelines.c.id)
    ).scalar()


def find(
    connection: Connection, scope: Scope, name: str, version: int | None = None
) -> Pipeline | None:
    """A pipeline in its current version, or in `version`."""
    query = _query(pipelines.c.version if version is None else version)
    row = connection.execute(query.where(_is(scope, name))).first()
    return None if row is None else _pipeline(row)


def get(connection: Connection, pipeline_id: int, version: int) -> Pipeline | None:
    """A pipeline by id, in `version`."""
    row = connection.execute(_query(version).where(pipelines.c.id == pipeline_id)).first()
    return None if row is None else _pipeline(row)


def current(connection: Connection, pipeline_id: int) -> Pipeline | None:
    """A pipeline by id, in its current version."""
    query = _query(pipelines.c.version).where(pipelines.c.id == pipeline_id)
    row = connection.execute(query).first()
    return None if row is None else _pipeline(row)


@dataclass(frozen=True, slots=True)
class Locked:
    """A pipeline that the transaction has locked: which it is, and its current version."""

    id: int
    version: int


def lock(
    connection: Connection, names: Iterable[tuple[Scope, str]]
) -> dict[tuple[Scope, str], Locked]:
    """Lock those of `names` that exist until the transaction ends."""
    select_one = "SELECT id, version FROM hookline_pipelines"
    condition = "WHERE account = ? AND region = ? AND name = ?"
    statement = f"{select_one} {condition}{dialect.for_update(connection)}"
    locked = {}
    # One order for all, so that two transactions never wait for each other.
    for scope, name in sorted(set(names), key=_order):
        for row in dialect.rows(connection, statement, scope.account, scope.region, name):
            locked[scope, name] = Locked(*row)
    return locked


def _order(named: tuple[Scope, str]) -> tuple[str, str, str]:
    scope, name = named
    return scope.account, scope.region, name


def lock_by_id(connection: Connection, pipeline_id: int) -> bool:
    """Lock a pipeline until the transaction ends; whether it still exists."""
    query = select(pipelines.c.id).where(pipelines.c.id == pipeline_id).with_for_update()
    return connection.execute(query).first() is not None


def page(connection: Connection, scope: Scope, after: str | None, limit: int) -> list[Pipeline]:
    """Up to `limit` pipelines by name, those after the name `after`."""
    query = _query(pipelines.c.version).where(
        pipelines.c.account == scope.account, pipelines.c.region == scope.region
    )
    if after is not None:
        query = query.where(pipelines.c.name > after)
    rows = connection.execute(query.order_by(pipelines.c.name).limit(limit))
    return [_pipeline(row) for row in rows]


def count(connection: Connection, scope: Scope) -> int:
    """How many pipelines the scope has."""
    query = select(func.count()).where(
        pipelines.c.account == scope.account, pipelines.c.region == scope.region
    )
    return connection.execute(query).scalar_one()


def _is(scope: Scope, name: str) -> Any:
    return and_(
        pipelines.c.account == scope.account,
        pipelines.c.region == scope.region,
        pipelines.c.name == name,
    )


def _query(version: Any) -> Select[Any]:
    return select(
        pipelines.c.id,
        pipelines.c.account,
        pipelines.c.region,
        pipelines.c.name,
        pipeline_versions.c.version,
        pipeline_versions.c.declaration,
        pipelines.c.created_at,
        pipeline_versions.c.created_at.label("updated_at"),
    ).join(
        pipeline_versions,
        and_(
            pipeline_versions.c.pipeline_id == pipelines.c.id,
            pipeline_versions.c.version == version,
        ),
    )


def _pipeline(row: Row[Any]) -> Pipeline:
    return Pipeline(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        version=row.version,
        execution_mode=ExecutionMode(row.declaration.get("executionMode", "SUPERSEDED")),
        stages=stages_of(row.declaration),
        declaration=row.declaration,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
