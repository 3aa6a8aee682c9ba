"""The properties of CloudFormation's CodePipeline resources, in the API's shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookline.declarations.constraints import check
from hookline.declarations.functions import NO_VALUE
from hookline.declarations.problems import Problems
from hookline.declarations.resources import (
    DeclaredActionType,
    DeclaredPipeline,
    DeclaredWebhook,
)
from hookline.declarations.shapes import (
    as_boolean,
    converted,
    operation_input,
    shape_named,
    tags_of,
)
from hookline.errors import HooklineError

_LONGEST_NAME = 100
_NOT_THE_PIPELINES = {"Tags", "DisableInboundStageTransitions"}
_NOT_THE_WEBHOOKS = {"Tags", "RegisterWithThirdParty"}
IGNORED = frozenset({"RestartExecutionOnUpdate", "TargetPipelineVersion"})
"""Properties without a meaning here; templates make them of what only a deployment knows."""


def named(given: Any, stack_name: str, logical_id: str, path: str) -> str:
    """A resource's name; without one it is made of the stack's and the logical id."""
    if given is NO_VALUE:
        return f"{stack_name}-{logical_id}"[:_LONGEST_NAME]
    if isinstance(given, str | int):
        return str(given)
    raise HooklineError(f"{path} must be a text")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which resource of a template is made: `place` for a plan, `path` to its properties."""

    stack_name: str
    title: str
    logical_id: str

    @property
    def place(self) -> str:
        """Where the resource is."""
        return f"{self.title}: {self.logical_id}"

    @property
    def owner(self) -> str:
        """What tells it from the resources of other templates."""
        return f"{self.stack_name}/{self.logical_id}"

    @property
    def path(self) -> str:
        """Where its properties are."""
        return f"{self.title}: Resources.{self.logical_id}.Properties"


def pipeline(properties: Mapping[str, Any], name: str, origin: Origin) -> DeclaredPipeline:
    """A pipeline from evaluated properties of `AWS::CodePipeline::Pipeline`."""
    own = {key: value for key, value in properties.items() if key not in _NOT_THE_PIPELINES}
    path, problems = origin.path, Problems()
    with problems:
        if "ArtifactStores" in own:
            # A list here, where the API has a map.
            own["ArtifactStores"] = _by_key(
                own["ArtifactStores"], "Region", "ArtifactStore", f"{path}.ArtifactStores"
            )
    with problems:
        tags = _tags(properties, path)
    with problems:
        declaration = converted(
            {**own, "Name": name}, shape_named("PipelineDeclaration"), path, cloudformation=True
        )
        with problems:
            check("CreatePipeline", declaration, path, member="pipeline", cloudformation=True)
        disabled = _disabled(properties, declaration["stages"], path)
    problems.check()
    return DeclaredPipeline(
        name=name,
        declaration=declaration,
        tags=tags,
        place=origin.place,
        disabled=disabled,
        owner=origin.owner,
    )


def _tags(properties: Mapping[str, Any], path: str) -> dict[str, str] | None:
    return tags_of(properties.get("Tags"), f"{path}.Tags", cloudformation=True)


def _by_key(value: Any, key: str, item_name: str, path: str) -> dict[str, Any]:
    """A list of objects with just these two members, as a mapping of the one to the other."""
    match value:
        case [*items] if all(
            isinstance(item, dict) and {key, item_name} == item.keys() for item in items
        ):
            return {str(item[key]): item[item_name] for item in items}
    raise HooklineError(f"{path} must be a list of objects with {key} and {item_name}")


def _disabled(properties: Mapping[str, Any], stages: Any, path: str) -> dict[str, str]:
    # Without the property nothing is disabled: that is what remains when the last one is removed.
    path = f"{path}.DisableInboundStageTransitions"
    listed = properties.get("DisableInboundStageTransitions", [])
    names = {stage["name"] for stage in stages}
    reasons = {}
    for stage, reason in _by_key(listed, "StageName", "Reason", path).items():
        if stage not in names:
            raise HooklineError(f"{path} names the stage '{stage}', which the pipeline lacks")
        if not isinstance(reason, str) or not reason:
            raise HooklineError(f"{path}: the Reason for '{stage}' must be a text")
        reasons[stage] = reason
    return reasons


def webhook(properties: Mapping[str, Any], name: str, origin: Origin) -> DeclaredWebhook:
    """A webhook from evaluated properties of `AWS::CodePipeline::Webhook`."""
    own = {key: value for key, value in properties.items() if key not in _NOT_THE_WEBHOOKS}
    path, problems = origin.path, Problems()
    with problems:
        definition = converted(
            {**own, "Name": name}, shape_named("WebhookDefinition"), path, cloudformation=True
        )
        check("PutWebhook", definition, path, member="webhook", cloudformation=True)
    with problems:
        tags = _tags(properties, path)
    with problems:
        registered = as_boolean(
            properties.get("RegisterWithThirdParty", False), f"{path}.RegisterWithThirdParty"
        )
    problems.check()
    return DeclaredWebhook(
        name=name,
        definition=definition,
        tags=tags,
        place=origin.place,
        registered=registered,
        owner=origin.owner,
    )


def action_type(properties: Mapping[str, Any], origin: Origin) -> DeclaredActionType:
    """A custom action type from evaluated properties of `AWS::CodePipeline::CustomActionType`."""
    operation = "CreateCustomActionType"
    parameters = converted(
        dict(properties), operation_input(operation), origin.path, cloudformation=True
    )
    check(operation, parameters, origin.path, cloudformation=True)
    return DeclaredActionType(parameters=parameters, place=origin.place)
