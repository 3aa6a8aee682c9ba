"""Builds: what a build of a project runs, how far it is, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, select

from hookline.model import Scope
from hookline.store import dialect
from hookline.store.tables import builds


class BuildStatus(StrEnum):
    """How a build, or a phase of one, stands; in AWS's words."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    FAULT = "FAULT"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class PhaseContext:
    """Why a phase ended as it did: AWS's code, and the text."""

    status_code: str
    message: str


@dataclass(frozen=True, slots=True)
class BuildPhase:
    """A phase of a build; `status` and `ended_at` are None while it runs. Times: epoch seconds."""

    type: str
    started_at: float
    ended_at: float | None = None
    status: BuildStatus | None = None
    contexts: tuple[PhaseContext, ...] = ()


@dataclass(frozen=True, slots=True)
class Build:
    """A build. `uuid` is the part of its id that is its own, of version 7.

    `definition` is what it runs, in the shape of a project's and settled when the build started.
    `artifacts` are in the API's shape, the primary one first and the others by their identifiers.
    `action_execution_id` is the action of a pipeline that it is for. Times are epoch seconds.
    """

    scope: Scope
    uuid: str
    project_name: str
    number: int
    definition: Mapping[str, Any]
    initiator: str
    started_at: float
    status: BuildStatus = BuildStatus.IN_PROGRESS
    current_phase: str = "SUBMITTED"
    source_version: str | None = None
    resolved_source_version: str | None = None
    phases: tuple[BuildPhase, ...] = ()
    artifacts: tuple[Mapping[str, Any], ...] = ()
    exported_variables: Mapping[str, str] | None = None
    log_url: str | None = None
    action_execution_id: str | None = None
    ended_at: float | None = None

    @property
    def id(self) -> str:
        """Its id in the API."""
        return f"{self.project_name}:{self.uuid}"

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.scope.build_arn(self.id)


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
            "current_phase": build.current_phase,
            "source_version": build.source_version,
            "resolved_source_version": build.resolved_source_version,
            "phases": [asdict(phase) for phase in build.phases],
            "artifacts": [dict(item) for item in build.artifacts],
            "exported_variables": build.exported_variables and dict(build.exported_variables),
            "log_url": build.log_url,
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
    phases = tuple(_phase(item) for item in fields.pop("phases"))
    status, artifacts = BuildStatus(fields.pop("status")), tuple(fields.pop("artifacts"))
    return Build(scope=scope, phases=phases, status=status, artifacts=artifacts, **fields)


def _phase(item: Mapping[str, Any]) -> BuildPhase:
    status, contexts = item["status"], item["contexts"]
    return BuildPhase(
        **{
            **item,
            "status": None if status is None else BuildStatus(status),
            "contexts": tuple(PhaseContext(**context) for context in contexts),
        }
    )
