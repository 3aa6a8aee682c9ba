"""BatchGetBuilds, ListBuilds, ListBuildsForProject, StopBuild, BatchDeleteBuilds."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.api.codebuild.build_views import build_view
from hookline.api.codebuild.paging import Pages
from hookline.api.codebuild.projects import project_name
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.builds.build import Build
from hookline.errors import InvalidInputException, ResourceNotFoundException
from hookline.executions.stop import stop_build
from hookline.model import Scope
from hookline.store import build_projects, builds


class BuildOperations:
    """The operations on builds."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._address = dependencies.settings.link_url
        tokens = dependencies.page_tokens
        self._all = Pages(tokens, "ListBuilds", "ids", "DESCENDING")
        self._of_project = Pages(tokens, "ListBuildsForProject", "ids", "DESCENDING")

    def batch_get_builds(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Builds by id or ARN, in the order of the call."""
        wanted = _wanted(caller.scope, parameters["ids"])
        with self._database.read() as connection:
            found = builds.find_all(connection, caller.scope, list(wanted))
        missing = [given for build_id, given in wanted.items() if build_id not in found]
        shown = [
            build_view(found[build_id], self._address) for build_id in wanted if build_id in found
        ]
        return {"builds": shown, "buildsNotFound": missing}

    def list_builds(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of the ids of all builds, by when they started."""

        def read(after: Any, limit: int, descending: bool) -> Sequence[tuple[str, str]]:  # noqa: FBT001 -- as Pages calls it
            with self._database.read() as connection:
                return builds.page(
                    connection, caller.scope, after and after[1], limit, descending=descending
                )

        return self._all.page(caller, parameters, read, lambda row: f"{row[0]}:{row[1]}")

    def list_builds_for_project(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of the ids of a project's builds, by their numbers."""
        name = project_name(caller.scope, parameters["projectName"])

        def read(after: Any, limit: int, descending: bool) -> Sequence[tuple[int, str]]:  # noqa: FBT001 -- as Pages calls it
            with self._database.read() as connection:
                if build_projects.find(connection, caller.scope, name) is None:
                    raise ResourceNotFoundException(
                        f"The provided project {caller.scope.build_project_arn(name)} "
                        "does not exist"
                    )
                return builds.page_of_project(
                    connection, caller.scope, name, after and after[0], limit, descending=descending
                )

        return self._of_project.page(caller, parameters, read, lambda row: f"{name}:{row[1]}")

    def stop_build(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Stop a build; one that has ended stays as it is."""
        [wanted] = _wanted(caller.scope, [parameters["id"]])
        with self._database.write() as connection:
            found = builds.find_all(connection, caller.scope, [wanted])
            if wanted not in found:
                raise ResourceNotFoundException(
                    f"Build {caller.scope.build_arn(wanted)} does not exist"
                )
            stop_build(connection, found[wanted])
            stopped = builds.find_all(connection, caller.scope, [wanted])[wanted]
        return {"build": build_view(stopped, self._address)}

    def batch_delete_builds(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Delete builds that have ended."""
        wanted = _wanted(caller.scope, parameters["ids"])
        with self._database.write() as connection:
            found = builds.find_all(connection, caller.scope, list(wanted))
            ended = [build for build in found.values() if build.ended_at is not None]
            builds.remove(connection, ended)
        deleted = {build.id for build in ended}
        return {
            "buildsDeleted": [found[item].arn for item in wanted if item in deleted],
            "buildsNotDeleted": [
                _not_deleted(given, found.get(item))
                for item, given in wanted.items()
                if item not in deleted
            ],
        }


def _not_deleted(given: str, build: Build | None) -> Mapping[str, str]:
    if build is None:
        return {"id": given, "statusCode": "BUILD_NOT_FOUND"}
    return {"id": build.arn, "statusCode": "BUILD_IN_PROGRESS"}


def _wanted(scope: Scope, given: Sequence[str]) -> Mapping[str, str]:
    """Ids of builds, each with how the call names it.

    Raises InvalidInputException: one that has not the form of an id.
    """
    wanted = {item.removeprefix(scope.build_arn("")): item for item in given}
    if any(":" not in build_id for build_id in wanted):
        raise InvalidInputException("Invalid build ID provided")
    return wanted
