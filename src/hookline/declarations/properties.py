"""The properties of CloudFormation's CodePipeline resources, in the API's shapes."""

from collections.abc import Mapping
from typing import Any

from hookline.declarations.functions import NO_VALUE
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


def pipeline(properties: Mapping[str, Any], name: str, place: str) -> DeclaredPipeline:
    """A pipeline from evaluated properties of `AWS::CodePipeline::Pipeline`."""
    own = {key: value for key, value in properties.items() if key not in _NOT_THE_PIPELINES}
    if "ArtifactStores" in own:
        # A list here, where the API has a map.
        own["ArtifactStores"] = _by_key(
            own["ArtifactStores"], "Region", "ArtifactStore", f"{place}.ArtifactStores"
        )
    declaration = converted(
        {**own, "Name": name}, shape_named("PipelineDeclaration"), place, cloudformation=True
    )
    return DeclaredPipeline(
        name=name,
        declaration=declaration,
        tags=tags_of(properties.get("Tags"), f"{place}.Tags", cloudformation=True),
        place=place,
        disabled=_disabled(properties, declaration["stages"], place),
    )


def _by_key(value: Any, key: str, item_name: str, path: str) -> dict[str, Any]:
    """A list of objects with just these two members, as a mapping of the one to the other."""
    match value:
        case [*items] if all(
            isinstance(item, dict) and {key, item_name} == item.keys() for item in items
        ):
            return {str(item[key]): item[item_name] for item in items}
    raise HooklineError(f"{path} must be a list of objects with {key} and {item_name}")


def _disabled(properties: Mapping[str, Any], stages: Any, place: str) -> dict[str, str]:
    # Without the property nothing is disabled: that is what remains when the last one is removed.
    path = f"{place}.DisableInboundStageTransitions"
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


def webhook(properties: Mapping[str, Any], name: str, place: str) -> DeclaredWebhook:
    """A webhook from evaluated properties of `AWS::CodePipeline::Webhook`."""
    own = {key: value for key, value in properties.items() if key not in _NOT_THE_WEBHOOKS}
    definition = converted(
        {**own, "Name": name}, shape_named("WebhookDefinition"), place, cloudformation=True
    )
    return DeclaredWebhook(
        name=name,
        definition=definition,
        tags=tags_of(properties.get("Tags"), f"{place}.Tags", cloudformation=True),
        place=place,
        registered=as_boolean(
            properties.get("RegisterWithThirdParty", False), f"{place}.RegisterWithThirdParty"
        ),
    )


def action_type(properties: Mapping[str, Any], place: str) -> DeclaredActionType:
    """A custom action type from evaluated properties of `AWS::CodePipeline::CustomActionType`."""
    shape = operation_input("CreateCustomActionType")
    return DeclaredActionType(
        parameters=converted(dict(properties), shape, place, cloudformation=True), place=place
    )
