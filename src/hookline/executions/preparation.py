"""What an action or a rule is given when it begins: its artifacts, and the values it refers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hookline.errors import ActionError
from hookline.executions import variables
from hookline.executions.passage import Passage
from hookline.model import Action, Execution
from hookline.store import action_executions, action_types
from hookline.store.action_executions import ActionExecution


@dataclass(frozen=True, slots=True)
class Prepared:
    """An action with its references resolved, and its input artifacts, name → key.

    Its configuration is `declared`, with secrets sealed, and `resolved` where that has references.
    With an `error` it can't begin.
    """

    action: Action
    declared: Mapping[str, str]
    inputs: Mapping[str, str]
    resolved: Mapping[str, str] = field(default_factory=dict)
    error: ActionError | None = None


def prepare(connection: Connection, passage: Passage, action: Action) -> Prepared:
    """Look up what `action`, or a rule, needs of what was produced before."""
    produced = _produced(connection, passage.execution)
    artifacts = {name: key for item in produced for name, key in item.outputs.items()}
    inputs = {name: artifacts[name] for name in action.input_artifacts if name in artifacts}
    try:
        _check_type(connection, passage, action)
        _check_artifacts(action, inputs)
        values = variables.values_in(passage.execution, passage.pipeline, produced)
        resolved_action, resolved = variables.resolve(action, values)
    except ActionError as error:
        return Prepared(action, action.configuration, inputs, error=error)
    return Prepared(resolved_action, action.configuration, inputs, resolved)


def _produced(connection: Connection, execution: Execution) -> Sequence[ActionExecution]:
    """What an execution can work with; a rollback, with what its target had as well."""
    ids = [execution.id]
    if execution.rollback_target is not None:
        ids.insert(0, execution.rollback_target)
    return action_executions.produced(connection, ids)


def _check_type(connection: Connection, passage: Passage, action: Action) -> None:
    if action.type.owner != "Custom":
        return
    if action_types.available(connection, passage.pipeline.scope, action.type) is None:
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
