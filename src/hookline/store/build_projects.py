"""Build projects of CodeBuild, each with its definition whole, as it was given."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from hookline.model import Scope
from hookline.store import dialect
from hookline.store.tables import build_projects


class SortBy(StrEnum):
    """What projects are listed by."""

    NAME = "NAME"
    CREATED_TIME = "CREATED_TIME"
    LAST_MODIFIED_TIME = "LAST_MODIFIED_TIME"


_COLUMNS = {
    SortBy.NAME: build_projects.c.name,
    SortBy.CREATED_TIME: build_projects.c.created_at,
    SortBy.LAST_MODIFIED_TIME: build_projects.c.updated_at,
}


@dataclass(frozen=True, slots=True)
class BuildProject:
    """A build project. `definition` is in the API's own shape, without name and tags.

    Times are epoch seconds.
    """

    scope: Scope
    name: str
    definition: Mapping[str, Any]
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.scope.build_project_arn(self.name)


def lock_scope(connection: Connection, scope: Scope) -> None:
    """Let nobody else create or change projects of this scope until the transaction ends."""
    dialect.serialize(connection, f"build-projects:{scope.account}:{scope.region}")


def create(
    connection: Connection, scope: Scope, name: str, definition: Mapping[str, Any]
) -> BuildProject:
    """Keep a new project."""
    now = time.time()
    connection.execute(
        build_projects.insert()
        .inline()
        .values(
            account=scope.account,
            region=scope.region,
            name=name,
            definition=dict(definition),
            builds_started=0,
            created_at=now,
            updated_at=now,
        )
    )
    return BuildProject(scope, name, definition, now, now)


def change(
    connection: Connection, project: BuildProject, definition: Mapping[str, Any]
) -> BuildProject:
    """Give a project another definition."""
    changed = replace(project, definition=definition, updated_at=time.time())
    connection.execute(
        update(build_projects)
        .where(_is(project.scope, project.name))
        .values(definition=dict(definition), updated_at=changed.updated_at)
    )
    return changed


def remove(connection: Connection, scope: Scope, name: str) -> None:
    """Delete a project, if it is there; its builds stay."""
    connection.execute(delete(build_projects).where(_is(scope, name)))


def take_number(connection: Connection, scope: Scope, name: str) -> int | None:
    """The number of a project's next build, which no other will have; None without a project."""
    return connection.execute(
        update(build_projects)
        .where(_is(scope, name))
        .values(builds_started=build_projects.c.builds_started + 1)
        .returning(build_projects.c.builds_started)
    ).scalar()


def find(connection: Connection, scope: Scope, name: str) -> BuildProject | None:
    """A project by name."""
    return find_all(connection, scope, [name]).get(name)


def find_all(connection: Connection, scope: Scope, names: Sequence[str]) -> dict[str, BuildProject]:
    """Those of `names` that are there, by name."""
    query = select(build_projects).where(_in(scope), build_projects.c.name.in_(names))
    return {row.name: _build_project(row) for row in connection.execute(query)}


def page(  # noqa: PLR0913 -- a page, of what and in which order
    connection: Connection,
    scope: Scope,
    sort_by: SortBy,
    after: Sequence[Any] | None,
    limit: int,
    *,
    descending: bool,
) -> list[tuple[str, Any]]:
    """Up to `limit` names of projects, each with what it is sorted by, those after such a pair."""
    name, value = build_projects.c.name, _COLUMNS[sort_by]
    query = select(name, value.label("value")).where(_in(scope))
    if after is not None:
        last_name, last = after
        if descending:
            query = query.where(or_(value < last, and_(value == last, name < last_name)))
        else:
            query = query.where(or_(value > last, and_(value == last, name > last_name)))
    order = [value.desc(), name.desc()] if descending else [value, name]
    return [tuple(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def count(connection: Connection, scope: Scope) -> int:
    """How many projects the scope has."""
    query = select(func.count()).select_from(build_projects).where(_in(scope))
    return connection.execute(query).scalar_one()


def _in(scope: Scope) -> Any:
    return and_(build_projects.c.account == scope.account, build_projects.c.region == scope.region)


def _is(scope: Scope, name: str) -> Any:
    return and_(_in(scope), build_projects.c.name == name)


def _build_project(row: Row[Any]) -> BuildProject:
    return BuildProject(
        scope=Scope(row.account, row.region),
        name=row.name,
        definition=row.definition,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
