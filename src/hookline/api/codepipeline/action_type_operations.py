"""Create-, DeleteCustomActionType, ListActionTypes, Get-, UpdateActionType."""

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.api import tags as api_tags
from hookline.api.codepipeline.action_types import ACTION_TYPES, described, identifier
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import (
    ActionTypeNotFoundException,
    LimitExceededException,
    ValidationException,
)
from hookline.model import ActionType, Scope
from hookline.store import action_types, tags
from hookline.store.action_types import CustomActionType
from hookline.store.pipeline_secrets import SECRET_KEYS

_LIMIT = 50
_PAGE = 50
_LISTING = "ListActionTypes"
_DEFINITION = ("settings", "inputArtifactDetails", "outputArtifactDetails")
_CONFIGURED = re.compile(r"\{Config:([^{}]*)\}")
_LINK = re.compile(r"https?://|\{Config:")


class ActionTypeOperations:
    """The operations on action types."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._page_tokens = dependencies.page_tokens

    def create_custom_action_type(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Register an action type whose actions job workers run, or restore a deleted one."""
        custom = _declared(parameters)
        _check(custom)
        given_tags = api_tags.checked(parameters.get("tags", ()))
        with self._database.write() as connection:
            # Two that are created at once must see each other: by their id, and in the count.
            action_types.lock_scope(connection, caller.scope)
            _check_is_new(custom, action_types.find(connection, caller.scope, custom.type))
            if len(action_types.all_available(connection, caller.scope)) >= _LIMIT:
                raise LimitExceededException(
                    f"Account '{caller.scope.account}' already has {_LIMIT} custom action types in "
                    f"{caller.scope.region}, which is the limit. Delete one that is no longer used."
                )
            action_types.put(connection, caller.scope, custom)
            tags.replace(connection, caller.scope.action_type_arn(custom.type), given_tags)
        return {"actionType": _shown(custom), "tags": api_tags.listed(given_tags)}

    def delete_custom_action_type(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Mark a custom action type as deleted; its absence is success."""
        kind = _custom_id(parameters)
        with self._database.write() as connection:
            action_types.lock_scope(connection, caller.scope)
            action_types.mark_deleted(connection, caller.scope, kind)
            tags.replace(connection, caller.scope.action_type_arn(kind), {})

    def list_action_types(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of AWS's action types and the account's own, by their ids."""
        owner = parameters.get("actionOwnerFilter")
        region = parameters.get("regionFilter", caller.scope.region)
        page = self._page_tokens.page(
            caller.scope, f"{_LISTING} {owner} {region}", parameters.get("nextToken"), _PAGE
        )
        with self._database.read() as connection:
            own = action_types.all_available(connection, Scope(caller.scope.account, region))
        found = {kind: described(kind, rule) for kind, rule in ACTION_TYPES.items()}
        found |= {custom.type: _shown(custom) for custom in own}
        wanted = sorted(kind for kind in found if owner in {None, kind.owner})
        if page.after:
            wanted = wanted[bisect.bisect_right(wanted, ActionType(*page.after)) :]
        shown, token = page.cut(wanted, lambda last: list(identifier(last).values()))
        return {"actionTypes": [found[kind] for kind in shown], "nextToken": token}

    def get_action_type(self, _caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: the model asks for owners AWS and ThirdParty, whose types nobody creates here."""
        raise _no_partners_type(parameters)

    def update_action_type(
        self, _caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Refuse, for the same reason."""
        raise _no_partners_type(parameters["actionType"]["id"])


def _no_partners_type(identifier: Mapping[str, str]) -> ActionTypeNotFoundException:
    return ActionTypeNotFoundException(
        f"{ActionType.of(identifier)} is no action type that was created with an integration model "
        "for other accounts; Hookline has none of those. ListActionTypes shows all others"
    )


def _custom_id(parameters: Mapping[str, Any]) -> ActionType:
    return ActionType.of({**parameters, "owner": "Custom"})


def _declared(parameters: Mapping[str, Any]) -> CustomActionType:
    definition = {key: parameters[key] for key in _DEFINITION if key in parameters}
    properties = parameters.get("configurationProperties", ())
    definition["actionConfigurationProperties"] = [
        {"queryable": False, **item} for item in properties
    ]
    return CustomActionType(_custom_id(parameters), definition)


def _shown(custom: CustomActionType) -> dict[str, Any]:
    return {"id": identifier(custom.type), **custom.definition}


def _check_is_new(custom: CustomActionType, previous: CustomActionType | None) -> None:
    if previous is None:
        return
    if not previous.deleted:
        raise ValidationException(
            f"The custom action type {custom.type} already exists. Delete it, or give another"
            " version"
        )
    if previous.definition != custom.definition:
        raise ValidationException(
            f"The custom action type {custom.type} was deleted, and its version can't be used for"
            " another definition. Give a version never used before, or restore it by the very"
            " definition that it had"
        )


def _check(custom: CustomActionType) -> None:
    for name in ("inputArtifactDetails", "outputArtifactDetails"):
        details = custom.definition[name]
        if details["minimumCount"] > details["maximumCount"]:
            raise ValidationException(
                f"The minimumCount of {name} ({details['minimumCount']}) is greater than its"
                f" maximumCount ({details['maximumCount']})"
            )
    _check_properties(custom.properties)
    _check_settings(custom.definition.get("settings", {}), custom.properties)


def _check_properties(properties: Sequence[Mapping[str, Any]]) -> None:
    names = [item["name"] for item in properties]
    for name in names:
        if names.count(name) > 1:
            raise ValidationException(f"configurationProperties has '{name}' more than once")
    queryable = [item["name"] for item in properties if item["queryable"]]
    if len(queryable) > 1:
        raise ValidationException(
            "configurationProperties has more than one queryable property:"
            f" {', '.join(queryable)}. Leave one"
        )
    if not _readable(properties).issuperset(queryable):
        raise ValidationException(
            f"The configuration property '{queryable[0]}' is queryable, so it must be required"
            " and not secret"
        )


def _readable(properties: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names of the properties that each action has, in clear."""
    return {item["name"] for item in properties if item["required"] and not _is_secret(item)}


def _is_secret(item: Mapping[str, Any]) -> bool:
    # The values of some keys are sealed in actions of every type.
    return item["secret"] or item["name"] in SECRET_KEYS


def _check_settings(settings: Mapping[str, str], properties: Sequence[Mapping[str, Any]]) -> None:
    usable = _readable(properties)
    for name, template in settings.items():
        if not _LINK.match(template):
            raise ValidationException(f"settings.{name} is not the address of a page: {template}")
        for key in _references(template):
            if key not in usable:
                raise ValidationException(
                    f"settings.{name} refers to {{Config:{key}}}, and there is no configuration"
                    f" property '{key}' that is required and not secret"
                )


def _references(template: str) -> Iterator[str]:
    return (match[1] for match in _CONFIGURED.finditer(template))
