"""Nodes take actions and rules that nobody runs, with all that these are given."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from hookline.actions.provider import Artifact
from hookline.errors import ActionError
from hookline.executions import variables
from hookline.model import Action, ActionStatus, Execution, Pipeline, SourceRevision
from hookline.sealing import Seal
from hookline.store import (
    action_executions,
    action_types,
    executions,
    pipeline_secrets,
    pipelines,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database


@dataclass(frozen=True, slots=True)
class Task:
    """An action or a rule to be run, as a node has taken it, with all it needs from the store.

    The action's configuration is in clear; `secrets` are its values that nobody may read. With an
    `error` it can't begin, and fails.
    """

    held: ActionExecution
    pipeline_name: str
    region: str
    action: Action
    source_revision: SourceRevision | None = None
    inputs: tuple[Artifact, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    error: ActionError | None = None


def take(
    database: Database, seal: Seal, owner: str, labels: Collection[str], limit: int
) -> list[Task]:
    """Give up to `limit` actions and rules that a node may run to the node instance `owner`."""
    with database.read() as connection:
        if not action_executions.any_runnable(connection, labels):
            return []
    with database.write() as connection:
        found = action_executions.runnable(connection, labels, limit)
        taken = [_take(connection, seal, owner, identifier) for identifier in found]
    return [task for task in taken if task is not None]


def _take(connection: Connection, seal: Seal, owner: str, action_execution_id: str) -> Task | None:
    held = action_executions.take(connection, action_execution_id, owner)
    if held is None:
        return None
    execution = executions.find(connection, held.execution_id)
    pipeline = pipelines.get(connection, held.pipeline_id, held.pipeline_version)
    if execution is None or pipeline is None:
        # Nothing deletes them before it, so nobody is left who could miss it.
        action_executions.change(connection, held.id, status=ActionStatus.ABANDONED.value)
        return None
    return _task(connection, seal, held, execution, pipeline)


def _task(
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
    try:
        _check_type(connection, pipeline, declared)
        _check_artifacts(declared, inputs)
        values = variables.values_in(execution, pipeline, produced)
        action, resolved = variables.resolve(declared, values)
    except ActionError as error:
        _keep(connection, held, inputs, {})
        return Task(held, pipeline.name, pipeline.scope.region, declared, error=error)
    _keep(connection, held, inputs, resolved)
    clear, secrets = pipeline_secrets.opened(declared.configuration, seal)
    return Task(
        held=held,
        pipeline_name=pipeline.name,
        region=pipeline.scope.region,
        action=replace(action, configuration={**clear, **resolved}),
        source_revision=_revision(execution, declared),
        inputs=tuple(Artifact(name, key) for name, key in inputs.items()),
        secrets=secrets,
    )


def declared_action(pipeline: Pipeline, executed: ActionExecution) -> Action:
    """The action or rule of a pipeline that was executed."""
    kind = executed.condition_type
    if kind is None:
        return pipeline.action(executed.stage_name, executed.action_name)
    rules = pipeline.stage(executed.stage_name).conditions[kind].rules
    return next(rule for rule in rules if rule.name == executed.action_name)


def _keep(
    connection: Connection,
    held: ActionExecution,
    inputs: Mapping[str, str],
    resolved: Mapping[str, str],
) -> None:
    action_executions.change(connection, held.id, inputs=dict(inputs), resolved=dict(resolved))


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
