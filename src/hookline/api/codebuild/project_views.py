"""Build projects in the API's shape, with what was left out as AWS fills it in."""

from collections.abc import Mapping
from typing import Any

from hookline.api import tags as api_tags
from hookline.model import Scope
from hookline.store.build_projects import BuildProject

# The types of sources whose hosts can be told how a build went.
_TOLD = frozenset({"BITBUCKET", "GITHUB", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED"})


def project_view(project: BuildProject, tags: Mapping[str, str]) -> Mapping[str, Any]:
    """A project as all operations show it."""
    definition = settled(project.scope, project.name, project.definition)
    return {
        **definition,
        "name": project.name,
        "arn": project.arn,
        "tags": api_tags.listed(tags),
        "created": project.created_at,
        "lastModified": project.updated_at,
        "badge": {"badgeEnabled": definition.get("badgeEnabled", False)},
        "projectVisibility": "PRIVATE",
    }


def settled(scope: Scope, name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """A project's definition with AWS's defaults."""
    key = f"arn:{scope.partition}:kms:{scope.region}:{scope.account}:alias/aws/s3"
    return {
        "secondarySourceVersions": [],
        "cache": {"type": "NO_CACHE"},
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": key,
        **definition,
        "source": _source(definition["source"]),
        "secondarySources": [_source(item) for item in definition.get("secondarySources", ())],
        "artifacts": _artifacts(definition["artifacts"], name),
        "secondaryArtifacts": [
            _artifacts(item, item.get("artifactIdentifier", name))
            for item in definition.get("secondaryArtifacts", ())
        ],
        "environment": _environment(definition["environment"]),
        "logsConfig": _logs(definition.get("logsConfig", {})),
    }


def _source(given: Mapping[str, Any]) -> Mapping[str, Any]:
    status = {"reportBuildStatus": False} if given["type"] in _TOLD else {}
    return {"insecureSsl": False, **status, **given}


def _artifacts(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    match given["type"]:
        case "S3":
            defaults = {"namespaceType": "NONE", "name": name}
        case "CODEPIPELINE":
            defaults = {"name": name}
        case _:
            return given
    return {**defaults, "packaging": "NONE", "encryptionDisabled": False, **given}


def _environment(given: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = [{"type": "PLAINTEXT", **item} for item in given.get("environmentVariables", ())]
    defaults = {"privilegedMode": False, "imagePullCredentialsType": "CODEBUILD"}
    return {**defaults, **given, "environmentVariables": variables}


def _logs(given: Mapping[str, Any]) -> Mapping[str, Any]:
    s3 = {"status": "DISABLED", "encryptionDisabled": False, **given.get("s3Logs", {})}
    return {"cloudWatchLogs": {"status": "ENABLED"}, **given, "s3Logs": s3}
