"""Custom action types: their forms, and what becomes of a declared one."""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.declarations.comparison import difference, normal
from hookline.declarations.plans import Call, Change, Kind
from hookline.declarations.resources import DeclaredActionType, action_type_name
from hookline.declarations.secrets import Secrets
from hookline.errors import HooklineError

_ID = ("category", "provider", "version")


def as_created(listed: Mapping[str, Any]) -> dict[str, Any]:
    """What CreateCustomActionType takes for a type, from what ListActionTypes tells of it."""
    settings, properties = listed.get("settings"), listed.get("actionConfigurationProperties")
    return {
        **{key: listed["id"][key] for key in _ID},
        **({"settings": settings} if settings else {}),
        **({"configurationProperties": properties} if properties else {}),
        "inputArtifactDetails": listed["inputArtifactDetails"],
        "outputArtifactDetails": listed["outputArtifactDetails"],
    }


def custom_types_of(pipelines: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of the custom action types that the pipelines' declarations use."""
    return {
        action_type_name(action["actionTypeId"])
        for pipeline in pipelines
        for stage in pipeline["stages"]
        for action in stage["actions"]
        if action["actionTypeId"]["owner"] == "Custom"
    }


def secret_keys(types: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The configuration keys whose values these types keep secret."""
    return frozenset(
        item["name"]
        for parameters in types
        for item in parameters.get("configurationProperties", ())
        if item["secret"]
    )


def action_type_change(
    declared: DeclaredActionType, present: Mapping[str, Any] | None, title: str, secrets: Secrets
) -> Change:
    """What becomes of a declared type: AWS lets one be created and never changed.

    Raises HooklineError where another of its name is there.
    """
    if present is None:
        return Change(
            kind=Kind.CREATE,
            title=title,
            place=declared.place,
            lines=tuple(difference({}, declared.parameters, secrets)),
            calls=(
                Call(
                    operation="CreateCustomActionType",
                    parameters=declared.parameters,
                    what=f"create {title}",
                ),
            ),
        )
    differing = _differing(declared.parameters, present)
    if differing:
        raise HooklineError(
            f"{declared.place}: {title} is there already, with other {' and '.join(differing)}. A "
            "custom action type can't be changed: declare it under a new version, and name that "
            "version in the pipelines that use it."
        )
    return Change(kind=Kind.KEEP, title=title, place=declared.place)


def _differing(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    # Tags are no part of what ListActionTypes tells.
    new, old = _comparable(wanted), _comparable(present)
    return [key for key in dict.fromkeys([*new, *old]) if new.get(key) != old.get(key)]


def _comparable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = normal({**parameters, "tags": None})
    for item in found.get("configurationProperties", ()):
        if not item.get("queryable"):
            item.pop("queryable", None)
        if item.get("type") == "String":
            del item["type"]
    found.get("configurationProperties", []).sort(key=lambda item: item["name"])
    return found
