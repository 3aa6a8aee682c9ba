"""Variables: of a pipeline, of its executions, and the references to them in actions."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from hookline.actions import runs_builds
from hookline.actions.codebuild import VARIABLES, escaped
from hookline.errors import ActionError, ValidationException
from hookline.model import Action, Execution, Pipeline, variables_of
from hookline.store.action_executions import ActionExecution

_REFERENCE = re.compile(r"#\{([^{}]*)\}")
_OF_PIPELINE = "variables"
_OF_EXECUTION = "codepipeline"

Values = Mapping[str, Mapping[str, str]]
"""The values that can be referred to, by namespace and name."""


def defaults(pipeline: Pipeline) -> dict[str, str]:
    """The variables of a pipeline that have a default, with it."""
    declared = variables_of(pipeline.declaration)
    return {name: default for name, default in declared.items() if default is not None}


def chosen(pipeline: Pipeline, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The variables that a start gives, as (name, value).

    Raises:
        ValidationException: one is unknown or given twice, or one without default is missing.
    """
    declared, values = variables_of(pipeline.declaration), dict[str, str]()
    for name, value in given:
        if name not in declared:
            raise ValidationException(
                f"Pipeline '{pipeline.name}' does not declare a variable with name '{name}'"
            )
        if name in values:
            raise ValidationException(f"The variable '{name}' is given more than once")
        values[name] = value
    for name, default in declared.items():
        if default is None and name not in values:
            raise ValidationException(
                f"The variable '{name}' of pipeline '{pipeline.name}' has no default value: "
                "give it a value"
            )
    return values


def values_in(
    execution: Execution, pipeline: Pipeline, produced: Sequence[ActionExecution]
) -> dict[str, Mapping[str, str]]:
    """What actions of an execution can refer to, after those that are in `produced`."""
    namespaces = {
        (stage.name, action.name): action.namespace
        for stage in pipeline.stages
        for action in stage.actions
    }
    values: dict[str, Mapping[str, str]] = {
        _OF_PIPELINE: execution.variables,
        _OF_EXECUTION: {"PipelineExecutionId": execution.id},
    }
    for earlier in produced:
        namespace = namespaces.get((earlier.stage_name, earlier.action_name))
        if namespace is not None:
            values[namespace] = earlier.variables
    return values


def resolve(action: Action, values: Values) -> tuple[Action, dict[str, str]]:
    """The action with its references resolved; and its configuration values that had some.

    References stand in configuration values and in the values of environment variables. They are
    left alone in commands, where a value would be read as shell code. In JSON they stand within
    strings, and stay there. What comes out of one is not resolved again.

    Raises:
        ActionError: a reference leads to nothing.
    """
    resolved = {
        key: _resolved(value, values, f"the configuration value {key}", _form(action, key))
        for key, value in action.configuration.items()
        if _REFERENCE.search(value)
    }
    environment = tuple(
        (name, _resolved(value, values, f"the environment variable {name}"))
        for name, value in action.environment
    )
    configuration = {**action.configuration, **resolved}
    return replace(action, configuration=configuration, environment=environment), resolved


def _form(action: Action, key: str) -> Callable[[str], str]:
    """How a value is written where a configuration value refers to it."""
    return escaped if key == VARIABLES and runs_builds(action.type) else str


def _resolved(text: str, values: Values, where: str, form: Callable[[str], str] = str) -> str:
    def value(reference: re.Match[str]) -> str:
        namespace, _, name = reference[1].partition(".")
        try:
            return form(values[namespace][name])
        except KeyError:
            raise ActionError(
                f"The reference {reference[0]} in {where} can't be resolved: "
                f"{_reason(namespace, name, values)}",
                "ConfigurationError",
            ) from None

    return _REFERENCE.sub(value, text)


def _reason(namespace: str, name: str, values: Values) -> str:
    if not name:
        return "a reference has the form #{namespace.name}"
    if namespace == _OF_PIPELINE:
        return f"this execution has no value for a pipeline variable {name}"
    if namespace in values:
        known = ", ".join(sorted(values[namespace])) or "none"
        return f"the namespace {namespace} has no variable {name}; it has: {known}"
    return f"no action with the namespace {namespace} has succeeded before in this execution"
