"""What CodeBuild asks of a project beyond its model; each check names the member."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hookline.errors import InvalidInputException

NO_LIMIT = -1
"""The `concurrentBuildLimit` that takes a project's limit away."""

_PIPELINE = "CODEPIPELINE"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,127}", re.ASCII)


def check_structure(definition: Mapping[str, Any]) -> None:
    """Raise InvalidInputException if the parts of a definition do not go together."""
    problem = next(_problems(definition), None)
    if problem is not None:
        raise InvalidInputException(problem)


def _problems(definition: Mapping[str, Any]) -> Iterator[str]:
    source, artifacts = definition["source"], definition["artifacts"]
    if (source["type"] == _PIPELINE) != (artifacts["type"] == _PIPELINE):
        yield (
            "Invalid input: when using CodePipeline both sourceType, and artifactType must be set "
            f"to: {_PIPELINE}"
        )
    for item in (source, *definition.get("secondarySources", ())):
        yield from _source_problems(item)
    for item in (artifacts, *definition.get("secondaryArtifacts", ())):
        yield from _artifacts_problems(item)
    yield from _identifier_problems(definition)
    limit = definition.get("concurrentBuildLimit", NO_LIMIT)
    if limit < 1 and limit != NO_LIMIT:
        yield f"Invalid concurrentBuildLimit: {limit} is less than 1"


def _source_problems(source: Mapping[str, Any]) -> Iterator[str]:
    if source["type"] == "NO_SOURCE":
        if not source.get("buildspec"):
            yield "Invalid project source: source type NO_SOURCE should have an inline buildspec"
    elif source["type"] != _PIPELINE and not source.get("location"):
        yield "Project source location is required"
    auth = source.get("auth", {})
    if not auth.get("resource", "arn:").startswith("arn:"):
        # A token would be kept unsealed, and shown to whoever may read projects.
        yield (
            "Invalid project source: auth.resource must be the ARN of a connection or a secret; a "
            "token itself is not kept in a project"
        )


def _artifacts_problems(artifacts: Mapping[str, Any]) -> Iterator[str]:
    match artifacts["type"], artifacts.get("location"):
        case "NO_ARTIFACTS", str():
            yield "Invalid artifacts: artifact type NO_ARTIFACTS should have null location"
        case "S3", "" | None:
            yield "Invalid artifacts: artifact type S3 should have a location"


def _identifier_problems(definition: Mapping[str, Any]) -> Iterator[str]:
    for members, key in (
        ("secondarySources", "sourceIdentifier"),
        ("secondaryArtifacts", "artifactIdentifier"),
    ):
        known: set[str] = set()
        for item in definition.get(members, ()):
            identifier = item.get(key, "")
            if _IDENTIFIER.fullmatch(identifier) is None:
                yield (
                    "Invalid input: identifier must contain only alphanumeric characters and "
                    "underscores and be less than 128 characters in length"
                )
            if identifier in known:
                yield f"Invalid input: {key} '{identifier}' of {members} is given more than once"
            known.add(identifier)
