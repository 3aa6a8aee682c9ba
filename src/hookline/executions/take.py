"""Takes actions and rules that nobody runs for a node, and prepares what they are given."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from hookline.actions import runs_builds
from hookline.actions.provider import Artifact, Interrupted
from hookline.builds.build import Build
from hookline.errors import ActionError
from hookline.executions import build_runs, variables
from hookline.executions.finish import still_held
from hookline.model import Action, Execution, Pipeline, SourceRevision
from hookline.runners import IMAGE_TAG, RUNNER_TAG
from hookline.sealing import Seal
from hookline.store import (
    action_executions,
    action_types,
    executions,
    pipeline_secrets,
    pipelines,
    tags,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database


@dataclass(frozen=True, slots=True)
class Task:
    """An action or a rule to be run, as a node has taken it, with all it needs from the store.

    The action's configuration is in clear; `secrets` are its values that nobody may read. `runner`
    and `image` are what its pipeline's tags ask for, `build` is what an action of CodeBuild's runs.
    """

    held: ActionExecution
    pipeline_name: str
    region: str
    action: Action
    source_revision: SourceRevision | None = None
    inputs: tuple[Artifact, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    runner: str | None = None
    image: str | None = None
    build: Build | None = None


def take(
    database: Database,
    owner: str,
    labels: Collection[str],
    limit: int,
    but: Collection[str] = (),
) -> list[ActionExecution]:
    """Give up to `limit` actions and rules that a node may run to the node instance `owner`.

    None of those with the ids `but`: it is still busy with an earlier attempt.
    """
    with database.read() as connection:
        if not action_executions.any_runnable(connection, labels):
            return []
    with database.write() as connection:
        return action_executions.take(connection, owner, labels, limit, but)


def prepare(database: Database, seal: Seal, held: ActionExecution) -> Task:
    """What an action or a rule that a node has taken is given.

    Raises:
        ActionError: it can't begin.
        Interrupted: it is not that node's any longer.
    """
    with database.write() as connection:
        execution = executions.find(connection, held.execution_id)
        pipeline = pipelines.get(connection, held.pipeline_id, held.pipeline_version)
        if execution is None or pipeline is None:
            raise ActionError("The pipeline was deleted", "ConfigurationError")
        return _prepared(connection, seal, held, execution, pipeline)


def _prepared(
    connection: Connection,
    seal: Seal,
    held: ActionExecution,
    execution: Execution,
    pipeline: Pipeline,
) -> Task:
    declared = declared_action(pipeline, held)
    produced = _produced(connection, execution)
    artifacts = {name: key for item in produced for name, key in item.outputs.items()}
    inputs = {name: artifacts[name] for name in declared.input_artifacts if name in artifacts}
    _check_type(connection, pipeline, declared)
    _check_artifacts(declared, inputs)
    values = variables.values_in(execution, pipeline, produced)
    action, resolved = variables.resolve(declared, values)
    action_executions.change(connection, held.id, inputs=inputs, resolved=resolved)
    clear, secrets = pipeline_secrets.opened(declared.configuration, seal)
    asked = _asked_by_tags(connection, pipeline)
    build = None
    if runs_builds(action.type):
        if still_held(connection, held) is None:
            raise Interrupted
        build = build_runs.begin(
            connection, replace(held, inputs=inputs), execution, pipeline, action
        )
    return Task(
        held=held,
        pipeline_name=pipeline.name,
        region=pipeline.scope.region,
        action=replace(action, configuration={**clear, **resolved}),
        source_revision=_revision(execution, declared),
        inputs=tuple(Artifact(name, key) for name, key in inputs.items()),
        secrets=secrets,
        runner=asked.get(RUNNER_TAG),
        image=asked.get(IMAGE_TAG),
        build=build,
    )


def _asked_by_tags(connection: Connection, pipeline: Pipeline) -> Mapping[str, str]:
    arn = pipeline.scope.pipeline_arn(pipeline.name)
    return tags.of(connection, [arn])[arn]


def declared_action(pipeline: Pipeline, executed: ActionExecution) -> Action:
    """The action or rule of a pipeline that was executed."""
    kind = executed.condition_type
    if kind is None:
        return pipeline.action(executed.stage_name, executed.action_name)
    rules = pipeline.stage(executed.stage_name).conditions[kind].rules
    return next(rule for rule in rules if rule.name == executed.action_name)


def _revision(execution: Execution, action: Action) -> SourceRevision | None:
    found = (item for item in execution.source_revisions if item.action_name == action.name)
    return next(found, None)


def _produced(connection: Connection, execution: Execution) -> Sequence[ActionExecution]:
    """What an execution can work with; a rollback, with what its target had as well."""
    ids = [execution.id]
    if execution.rollback_target is not None:
        ids.insert(0, execution.rollback_target)
    return action_executions.produced(connection, ids)


def _check_type(connection: Connection, pipeline: Pipeline, action: Action) -> None:
    if action.type.owner != "Custom":
        return
    if action_types.available(connection, pipeline.scope, action.type) is None:
        raise ActionError(
            f"The custom action type {action.type} was deleted, so nobody can run the action",
            "ConfigurationError",
        )


def _check_artifacts(action: Action, inputs: Mapping[str, str]) -> None:
    missing = [name for name in action.input_artifacts if name not in inputs]
    if missing:
        raise ActionError(
            f"{action.name} needs the artifact {', '.join(missing)}, which no earlier action of "
            "this execution has produced",
            "ConfigurationError",
        )
