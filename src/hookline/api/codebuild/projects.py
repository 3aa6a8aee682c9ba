"""CreateProject, UpdateProject, DeleteProject, BatchGetProjects, ListProjects."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.api import tags as api_tags
from hookline.api.codebuild.paging import Pages
from hookline.api.codebuild.project_structure import NO_LIMIT, check_structure
from hookline.api.codebuild.project_views import project_view
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import (
    AccountLimitExceededException,
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from hookline.model import Scope
from hookline.store import build_projects, tags
from hookline.store.build_projects import SortBy

_LIMIT = 5_000


class ProjectOperations:
    """The operations on build projects."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._pages = Pages(dependencies.page_tokens, "ListProjects", "projects", "ASCENDING")

    def create_project(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a project."""
        scope, name = caller.scope, parameters["name"]
        given_tags = _checked_tags(parameters.get("tags", ()))
        definition = _definition(parameters)
        with self._database.write() as connection:
            # Two that are created at once must see each other: by their name, and in the count.
            build_projects.lock_scope(connection, scope)
            if build_projects.find(connection, scope, name) is not None:
                raise ResourceAlreadyExistsException(
                    f"Project already exists: {scope.build_project_arn(name)}"
                )
            if build_projects.count(connection, scope) >= _LIMIT:
                raise AccountLimitExceededException(
                    f"Cannot have more than {_LIMIT} projects for the account in {scope.region}. "
                    "Delete one that is no longer used."
                )
            project = build_projects.create(connection, scope, name, definition)
            tags.replace(connection, project.arn, given_tags)
        return {"project": project_view(project, given_tags)}

    def update_project(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change what is given; the rest of the project stays."""
        scope = caller.scope
        name = project_name(scope, parameters["name"])
        with self._database.write() as connection:
            build_projects.lock_scope(connection, scope)
            before = build_projects.find(connection, scope, name)
            if before is None:
                raise ResourceNotFoundException(
                    f"Project cannot be found: {scope.build_project_arn(name)}"
                )
            definition = _definition({**before.definition, **parameters})
            project = build_projects.change(connection, before, definition)
            if "tags" in parameters:
                tags.replace(connection, project.arn, _checked_tags(parameters["tags"]))
            kept = tags.of(connection, [project.arn])[project.arn]
        return {"project": project_view(project, kept)}

    def delete_project(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Delete a project; its absence is success, and its builds stay."""
        scope = caller.scope
        name = project_name(scope, parameters["name"])
        with self._database.write() as connection:
            build_projects.remove(connection, scope, name)
            tags.replace(connection, scope.build_project_arn(name), {})
        return {}

    def batch_get_projects(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Projects by name or ARN, in the order of the call."""
        wanted = {project_name(caller.scope, given): given for given in parameters["names"]}
        with self._database.read() as connection:
            found = build_projects.find_all(connection, caller.scope, list(wanted))
            tagged = tags.of(connection, [project.arn for project in found.values()])
        shown = [found[name] for name in wanted if name in found]
        return {
            "projects": [project_view(project, tagged[project.arn]) for project in shown],
            "projectsNotFound": [given for name, given in wanted.items() if name not in found],
        }

    def list_projects(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of the names of the scope's projects."""
        sort_by = SortBy(parameters.get("sortBy", SortBy.NAME))

        def read(after: Any, limit: int, descending: bool) -> Sequence[tuple[str, Any]]:  # noqa: FBT001 -- as Pages calls it
            with self._database.read() as connection:
                return build_projects.page(
                    connection, caller.scope, sort_by, after, limit, descending=descending
                )

        return self._pages.page(caller, parameters, read, lambda row: str(row[0]))


def project_name(scope: Scope, given: str) -> str:
    """The name of a project of the scope, given by its name or, as Terraform does, by its ARN."""
    return given.removeprefix(scope.build_project_arn(""))


def _definition(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the parameters, once it is checked."""
    check_structure(parameters)
    kept = {name: value for name, value in parameters.items() if name not in {"name", "tags"}}
    if kept.get("concurrentBuildLimit") == NO_LIMIT:
        del kept["concurrentBuildLimit"]
    # A structure without members takes away what was there.
    return {name: value for name, value in kept.items() if value != {}}


def _checked_tags(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    # The model asks for neither.
    if any("key" not in tag or "value" not in tag for tag in given):
        raise InvalidInputException("Invalid tags: each needs a key and a value")
    return api_tags.checked(given, InvalidInputException)
