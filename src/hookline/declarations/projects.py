"""Build projects as they are declared, with AWS's defaults and without."""

from collections.abc import Mapping
from typing import Any, cast

from botocore.model import StructureShape

from hookline.api.codebuild.project_structure import NO_LIMIT
from hookline.api.codebuild.project_views import settled
from hookline.api.service import CODEBUILD
from hookline.declarations.resources import Kind, Present
from hookline.model import Scope

# How UpdateProject is told that a member is gone: it keeps what it is not told of.
_REMOVED: Mapping[str, Any] = {
    "description": "",
    "sourceVersion": "",
    "vpcConfig": {},
    "badgeEnabled": False,
    "fileSystemLocations": [],
    "buildBatchConfig": {},
    "concurrentBuildLimit": NO_LIMIT,
    "autoRetryLimit": 0,
}


def as_declared(project: Mapping[str, Any]) -> dict[str, Any]:
    """What CreateProject takes for a project, from what BatchGetProjects tells of it."""
    shown = cast("StructureShape", CODEBUILD.shape("Project"))
    answered = shown.members.keys() - Kind.PROJECT.shape.members.keys()
    found = {key: item for key, item in project.items() if key not in answered}
    match project.get("badge"):
        case {"badgeEnabled": True}:
            found["badgeEnabled"] = True
    return found


def left_out(project: Mapping[str, Any]) -> tuple[str, ...]:
    """What BatchGetProjects tells of a project that nothing here acts on, by its names."""
    found = [key for key in ("webhook", "resourceAccessRole") if project.get(key)]
    if project.get("projectVisibility", "PRIVATE") != "PRIVATE":
        found.append("projectVisibility")
    return tuple(found)


def with_defaults(declaration: Mapping[str, Any], present: Present) -> dict[str, Any]:
    """The declaration as the server would show it, which has that project already."""
    return settled(_scope(present), declaration["name"], declaration)


def without_defaults(present: Present) -> dict[str, Any]:
    """A project's declaration without what it would have anyway, wherever it is created."""
    declaration = present.declaration
    required = Kind.PROJECT.shape.required_members

    def says_something(key: str) -> bool:
        others = {name: item for name, item in declaration.items() if name != key}
        return bool(declaration[key] != with_defaults(others, present).get(key))

    return {
        key: item
        for key, item in declaration.items()
        if key in required or (item and says_something(key))
    }


def removals(wanted: Mapping[str, Any], present: Present) -> dict[str, Any]:
    """What UpdateProject is told so that the project loses what is no longer wanted."""
    gone = present.declaration.keys() - wanted.keys()
    return {key: value for key, value in _REMOVED.items() if key in gone}


def _scope(present: Present) -> Scope:
    _, _, _, region, account, *_ = present.arn.split(":")
    return Scope(account, region)
