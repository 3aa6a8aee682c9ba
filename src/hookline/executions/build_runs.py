"""The builds of actions: the only place that writes them."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from hookline.actions.codebuild import Configuration
from hookline.actions.provider import ActionResult, BuildFailedError
from hookline.builds.build import Build
from hookline.builds.phases import BuildStatus, Phase, PhaseContext, PhaseType
from hookline.errors import ActionError
from hookline.model import Action, Execution, Pipeline, new_id
from hookline.store import action_executions, build_projects, builds
from hookline.store.action_executions import ActionExecution

_BEFORE = (PhaseType.SUBMITTED, PhaseType.QUEUED, PhaseType.PROVISIONING)


def begin(
    connection: Connection,
    held: ActionExecution,
    execution: Execution,
    pipeline: Pipeline,
    action: Action,
) -> Build:
    """The build of an action that a node has taken; one that was interrupted begins again.

    `held` has its input artifacts, and `action` its configuration in clear.

    Raises:
        ActionError: there is no such project, or the action's configuration can't be used.
    """
    found = builds.of_action(connection, held.id)
    build = found or _new(connection, held, execution, pipeline, action)
    now = datetime.now(UTC)
    phases = tuple(Phase(kind, now, BuildStatus.SUCCEEDED, now) for kind in _BEFORE)
    begun = replace(build, phases=phases, current_phase=PhaseType.PROVISIONING)
    builds.put(connection, begun)
    action_executions.note(connection, held.id, external_id=begun.id)
    return begun


def _new(
    connection: Connection,
    held: ActionExecution,
    execution: Execution,
    pipeline: Pipeline,
    action: Action,
) -> Build:
    configuration = Configuration.of(action)
    name = configuration.project_name
    project = build_projects.find(connection, pipeline.scope, name)
    number = build_projects.take_number(connection, pipeline.scope, name)
    if project is None or number is None:
        raise ActionError(
            f"There is no build project {name} in account {pipeline.scope.account} and region"
            f" {pipeline.scope.region}: create it with CodeBuild's CreateProject, or give another"
            " ProjectName",
            "ConfigurationError",
        )
    source = configuration.primary_source
    bucket = pipeline.artifact_store.get("location")
    return Build(
        scope=pipeline.scope,
        uuid=new_id(),
        project_name=name,
        number=number,
        definition=_definition(project.definition, configuration),
        initiator=f"codepipeline/{pipeline.name}",
        started_at=time.time(),
        source_version=f"arn:{pipeline.scope.partition}:s3:::{bucket}/{held.inputs[source]}",
        resolved_source_version=_revision(execution, pipeline, source),
        action_execution_id=held.id,
    )


def _definition(definition: Any, configuration: Configuration) -> dict[str, Any]:
    """A project's definition as a pipeline builds it: the action's variables win."""
    environment = definition["environment"]
    given = {item["name"]: item for item in environment.get("environmentVariables", ())}
    given |= {item["name"]: item for item in configuration.variables}
    source = {"type": "CODEPIPELINE"}
    if "buildspec" in definition["source"]:
        source["buildspec"] = definition["source"]["buildspec"]
    return {
        **definition,
        "source": source,
        "artifacts": {"type": "CODEPIPELINE"},
        "environment": {**environment, "environmentVariables": list(given.values())},
    }


def _revision(execution: Execution, pipeline: Pipeline, artifact: str) -> str | None:
    """The commit that a source action has made an artifact from."""
    revisions = {item.action_name: item.revision_id for item in execution.source_revisions}
    made_by = (
        action.name
        for action in pipeline.stages[0].actions
        if artifact in {output.name for output in action.output_artifacts}
    )
    return next((revisions[name] for name in made_by if name in revisions), None)


def note(connection: Connection, held: ActionExecution, build: Build) -> None:
    """Keep how far a build is, if its action is still that node's and attempt's."""
    owner = held.owner or ""
    if action_executions.hold(connection, owner, [held.id]).get(held.id) == held.attempt:
        builds.put(connection, build)


def end(connection: Connection, execution: ActionExecution, outcome: object) -> None:
    """End the build of an action that ends by `outcome`, if it has one."""
    # Until their end only builds, and what a person ends, have an id elsewhere.
    if execution.external_id is None:
        return
    build = builds.of_action(connection, execution.id)
    if build is not None and build.ended_at is None:
        ended = replace(_ended(build, outcome), ended_at=time.time())
        builds.put(connection, replace(ended, current_phase=PhaseType.COMPLETED))


def stopped(build: Build) -> BuildFailedError:
    """How the action of a build ends that is stopped by itself."""
    message = f"Build terminated with state: {BuildStatus.STOPPED}"
    return BuildFailedError(message, _cut_off(build, BuildStatus.STOPPED))


def _ended(build: Build, outcome: object) -> Build:
    match outcome:
        case ActionResult(build=Build() as ended) | BuildFailedError(build=ended):
            return ended
        case ActionError():
            context = PhaseContext("CLIENT_ERROR", outcome.message)
            return _cut_off(build, BuildStatus.FAILED, context)
        case _:
            return _cut_off(build, BuildStatus.STOPPED)


def _cut_off(build: Build, status: BuildStatus, context: PhaseContext | None = None) -> Build:
    """A build whose last phase did not come to its end."""
    *before, last = build.phases
    last = replace(last, status=status, ended=datetime.now(UTC), context=context)
    return replace(build, status=status, phases=(*before, last))
