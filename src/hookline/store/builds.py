"""Builds of projects: those that run, and those that have ended."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, delete, select

from hookline.builds.build import Build
from hookline.builds.phases import BuildStatus, Phase, PhaseType
from hookline.model import Scope
from hookline.store import dialect
from hookline.store.tables import builds


def put(connection: Connection, build: Build) -> None:
    """Keep a build as it is now."""
    dialect.insert_or_replace(
        connection,
        builds,
        ["uuid"],
        {
            "account": build.scope.account,
            "region": build.scope.region,
            "uuid": build.uuid,
            "project_name": build.project_name,
            "number": build.number,
            "definition": dict(build.definition),
            "initiator": build.initiator,
            "started_at": build.started_at,
            "status": build.status.value,
            "current_phase": build.current_phase.value,
            "source_version": build.source_version,
            "resolved_source_version": build.resolved_source_version,
            "phases": msgspec.to_builtins(build.phases),
            "artifacts": [dict(item) for item in build.artifacts],
            "exported_variables": build.exported_variables and dict(build.exported_variables),
            "action_execution_id": build.action_execution_id,
            "ended_at": build.ended_at,
        },
    )


def find_all(connection: Connection, scope: Scope, ids: Sequence[str]) -> dict[str, Build]:
    """Those of `ids`, `project:uuid`, that are there, by id."""
    uuids = [item.rpartition(":")[2] for item in ids]
    query = select(builds).where(_in(scope), builds.c.uuid.in_(uuids))
    found = [_build(row) for row in connection.execute(query).mappings()]
    return {build.id: build for build in found if build.id in ids}


def of_action(connection: Connection, action_execution_id: str) -> Build | None:
    """The build of an action of a pipeline."""
    query = select(builds).where(builds.c.action_execution_id == action_execution_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _build(row)


def page(
    connection: Connection, scope: Scope, after: str | None, limit: int, *, descending: bool
) -> list[tuple[str, str]]:
    """Up to `limit` builds of a scope in the order of their start: project and uuid of each."""
    uuid = builds.c.uuid
    query = select(builds.c.project_name, uuid).where(_in(scope))
    if after is not None:
        query = query.where(uuid < after if descending else uuid > after)
    order = uuid.desc() if descending else uuid
    return [tuple(row) for row in connection.execute(query.order_by(order).limit(limit))]


def page_of_project(  # noqa: PLR0913 -- a page, and of what
    connection: Connection,
    scope: Scope,
    project_name: str,
    after: int | None,
    limit: int,
    *,
    descending: bool,
) -> list[tuple[int, str]]:
    """Up to `limit` builds of a project in the order of their numbers: number and uuid of each."""
    number = builds.c.number
    of_project = and_(_in(scope), builds.c.project_name == project_name)
    query = select(number, builds.c.uuid).where(of_project)
    if after is not None:
        query = query.where(number < after if descending else number > after)
    order = number.desc() if descending else number
    return [tuple(row) for row in connection.execute(query.order_by(order).limit(limit))]


def remove(connection: Connection, items: Sequence[Build]) -> None:
    """Delete builds."""
    connection.execute(delete(builds).where(builds.c.uuid.in_([item.uuid for item in items])))


def forget_before(connection: Connection, before: float, limit: int) -> int:
    """Delete at most `limit` builds that ended before `before`; how many."""
    old = select(builds.c.uuid).where(builds.c.ended_at < before)
    doomed = list(connection.scalars(old.order_by(builds.c.ended_at).limit(limit)))
    connection.execute(delete(builds).where(builds.c.uuid.in_(doomed)))
    return len(doomed)


def _in(scope: Scope) -> Any:
    return and_(builds.c.account == scope.account, builds.c.region == scope.region)


def _build(row: RowMapping) -> Build:
    fields: dict[str, Any] = dict(row)
    scope = Scope(fields.pop("account"), fields.pop("region"))
    return Build(
        scope=scope,
        phases=msgspec.convert(fields.pop("phases"), tuple[Phase, ...]),
        status=BuildStatus(fields.pop("status")),
        current_phase=PhaseType(fields.pop("current_phase")),
        artifacts=tuple(fields.pop("artifacts")),
        **fields,
    )
