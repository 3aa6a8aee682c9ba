"""Builds in the API's shape."""

from collections.abc import Mapping
from typing import Any

from hookline.api.codebuild.project_views import settled
from hookline.store.builds import Build, BuildPhase

_OF_THE_PROJECT = (
    "source",
    "secondarySources",
    "secondarySourceVersions",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "vpcConfig",
    "encryptionKey",
    "fileSystemLocations",
)


def build_view(build: Build) -> Mapping[str, Any]:
    """A build as BatchGetBuilds shows it."""
    definition = settled(build.scope, build.project_name, build.definition)
    primary, *secondary = build.artifacts or ({},)
    return {
        **{name: definition.get(name) for name in _OF_THE_PROJECT},
        "id": build.id,
        "arn": build.arn,
        "projectName": build.project_name,
        "buildNumber": build.number,
        "buildStatus": build.status.value,
        "buildComplete": build.ended_at is not None,
        "currentPhase": build.current_phase,
        "startTime": build.started_at,
        "endTime": build.ended_at,
        "initiator": build.initiator,
        "sourceVersion": build.source_version,
        "resolvedSourceVersion": build.resolved_source_version,
        "phases": [_phase_view(phase) for phase in build.phases],
        "artifacts": primary,
        "secondaryArtifacts": secondary,
        "exportedEnvironmentVariables": [
            {"name": name, "value": value}
            for name, value in (build.exported_variables or {}).items()
        ],
        "logs": {**definition["logsConfig"], "deepLink": build.log_url},
    }


def _phase_view(phase: BuildPhase) -> Mapping[str, Any]:
    ended = phase.ended_at
    return {
        "phaseType": phase.type,
        "phaseStatus": phase.status and phase.status.value,
        "startTime": phase.started_at,
        "endTime": ended,
        "durationInSeconds": None if ended is None else int(ended - phase.started_at),
        "contexts": [
            {"statusCode": context.status_code, "message": context.message}
            for context in phase.contexts
        ],
    }
