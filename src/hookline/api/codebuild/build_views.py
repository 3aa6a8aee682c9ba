"""Builds in the API's shape."""

from collections.abc import Mapping
from typing import Any

from hookline.api.action_logs import log_page
from hookline.api.codebuild.project_views import settled
from hookline.builds.build import Build
from hookline.builds.phases import Phase, PhaseContext

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


def build_view(build: Build, address: str) -> Mapping[str, Any]:
    """A build as BatchGetBuilds shows it; `address` is the API's."""
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
        "currentPhase": build.current_phase.value,
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
        "logs": {**definition["logsConfig"], "deepLink": _log_url(build, address)},
    }


def _log_url(build: Build, address: str) -> str | None:
    action = build.action_execution_id
    return None if action is None else log_page(address, action)


def _phase_view(phase: Phase) -> Mapping[str, Any]:
    if phase.ended is None:
        return {"phaseType": phase.type.value, "startTime": phase.started.timestamp()}
    context = phase.context or PhaseContext()
    return {
        "phaseType": phase.type.value,
        "phaseStatus": phase.status.value,
        "startTime": phase.started.timestamp(),
        "endTime": phase.ended.timestamp(),
        "durationInSeconds": int((phase.ended - phase.started).total_seconds()),
        "contexts": [{"statusCode": context.status_code, "message": context.message}],
    }
