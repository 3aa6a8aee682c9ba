"""The forms in which resources are written: by the API's own clients, and as CloudFormation's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hookline.api.service import CODEPIPELINE
from hookline.declarations.conversion import Conversion
from hookline.declarations.problems import Problems, each
from hookline.declarations.projects import as_declared, left_out
from hookline.declarations.resources import Declared, Kind, as_created
from hookline.errors import HooklineError

_FORMS = (
    "what `aws codepipeline get-pipeline`, `list-webhooks`, `put-webhook`, `list-action-types` and "
    "`create-custom-action-type` and `aws codebuild batch-get-projects` and `create-project` print "
    "or take, a pipeline or a webhook itself, what `hookline export` writes, or a CloudFormation "
    "template"
)
_COLLECTIONS = ("actionTypes", "projects", "pipelines", "webhooks")
_ANSWERED = frozenset(
    {
        *("metadata", "url", "arn", "lastTriggered", "errorCode", "errorMessage"),
        *("projectsNotFound", "ResponseMetadata"),
    }
)
_CALLS = {
    Kind.ACTION_TYPE: ("CreateCustomActionType", ""),
    Kind.PROJECT: ("CreateProject", ""),
    Kind.PIPELINE: ("CreatePipeline", "pipeline"),
    Kind.WEBHOOK: ("PutWebhook", "webhook"),
}
# Properties of CloudFormation's that the API has in calls of their own.
_AROUND: Mapping[Kind, set[str]] = {
    Kind.ACTION_TYPE: set(),
    Kind.PROJECT: {"Tags"},
    Kind.PIPELINE: {"Tags", "DisableInboundStageTransitions"},
    Kind.WEBHOOK: {"Tags", "RegisterWithThirdParty"},
}
_API, _CLOUDFORMATION = Conversion(), Conversion(cloudformation=True)


def _converted(kind: Kind, value: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = _API.converted(value, kind.shape, path)
    _check(_API, kind, found, path)
    return found


def _check(conversion: Conversion, kind: Kind, declaration: Any, path: str) -> None:
    operation, member = _CALLS[kind]
    conversion.check(kind.service.operations[operation], declaration, path, member=member)


def declared_in(content: Any, path: str) -> list[Declared]:
    """What a document of the API's shapes declares; `path` names it. Raises HooklineError."""
    if isinstance(content, list):
        entries = enumerate(content)
        found = each(entries, lambda entry: declared_in(entry[1], f"{path}[{entry[0]}]"))
        return [item for items in found for item in items]
    if not isinstance(content, dict):
        raise HooklineError(f"{path} declares nothing. Give {_FORMS}.")
    form = next((form for key, form in _BY_KEY.items() if key in content), None)
    if form is None:
        raise HooklineError(_unknown_form(content, path))
    return list(form(content, path))


def _unknown_form(content: Mapping[str, Any], path: str) -> str:
    if {"name", "created", "updated"} <= content.keys():
        return (
            f"{path} is a summary, as list-pipelines prints it. Give what `aws codepipeline "
            "get-pipeline` prints."
        )
    keys = ", ".join(f"'{key}'" for key in list(content)[:5]) or "nothing"
    return f"{path} has {keys}, and is none of the forms that are known. Give {_FORMS}."


def _check_keys(content: Mapping[str, Any], known: set[str], path: str) -> None:
    for key in content:
        if key not in known | _ANSWERED:
            raise HooklineError(
                f"{path} has '{key}', which doesn't belong there. There are "
                f"{', '.join(sorted(known))}."
            )


def _collection(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    if "NextToken" in content or "nextToken" in content:
        raise HooklineError(f"{path} is one page of several. Fetch all pages first.")
    _check_keys(content, {*_COLLECTIONS}, path)

    def listed(key: str) -> list[Declared]:
        items = content.get(key, [])
        if not isinstance(items, list):
            raise HooklineError(f"{path}: {key} must be a list")
        return declared_in(items, f"{path}: {key}")

    for found in each(_COLLECTIONS, listed):
        yield from found


def _pipeline(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    _check_keys(content, {"pipeline", "tags"}, path)
    yield _declared(Kind.PIPELINE, content["pipeline"], content, path)


def _webhook(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    inner = content["webhook"]
    if isinstance(inner, dict) and "definition" in inner:
        # What put-webhook prints, where it takes the definition itself.
        yield from _listed_webhook(inner, path)
        return
    _check_keys(content, {"webhook", "tags", "registered"}, path)
    yield _declared(Kind.WEBHOOK, inner, content, path)


def _listed_webhook(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    _check_keys(content, {"definition", "tags"}, path)
    yield _declared(Kind.WEBHOOK, content["definition"], content, path)


def _declared(kind: Kind, content: Any, around: Mapping[str, Any], path: str) -> Declared:
    problems = Problems()
    with problems:
        declaration = _converted(kind, content, f"{path}: {kind}")
    with problems:
        tags = _API.tags(around.get("tags"), f"{path}: tags")
    with problems:
        registered = _API.boolean(around.get("registered", False), f"{path}: registered")
    problems.check()
    # The server counts versions itself.
    declaration.pop("version", None)
    return Declared(
        kind=kind, declaration=declaration, tags=tags, place=path, registered=registered
    )


def _created_action_type(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    # What create-custom-action-type prints.
    _check_keys(content, {"actionType", "tags"}, path)
    yield from _listed_action_type(content["actionType"], path, content.get("tags"))


def _listed_action_type(content: Any, path: str, tags: Any = None) -> Iterator[Declared]:
    listed = _API.converted(content, CODEPIPELINE.shape("ActionType"), f"{path}: actionType")
    if listed["id"]["owner"] != "Custom":
        raise HooklineError(
            f"{path} is an action type of {listed['id']['owner']}, which need not be declared. "
            "List yours with --action-owner-filter Custom."
        )
    yield from _action_type({**as_created(listed), **({"tags": tags} if tags else {})}, path)


def _action_type(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    parameters = _converted(Kind.ACTION_TYPE, content, f"{path}: actionType")
    yield Declared(kind=Kind.ACTION_TYPE, declaration=parameters, place=path)


def _created_project(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    # What create-project prints.
    _check_keys(content, {"project"}, path)
    if not isinstance(content["project"], dict):
        raise HooklineError(f"{path}: project must be an object")
    yield from _project(content["project"], path)


def _project(content: Mapping[str, Any], path: str) -> Iterator[Declared]:
    given = as_declared(content)
    around = {"tags": given.pop("tags", None)}
    found = _declared(Kind.PROJECT, given, around, path)
    yield replace(found, left_out=left_out(content))


_Form = Callable[[Mapping[str, Any], str], Iterator[Declared]]
_BY_KEY: Mapping[str, _Form] = {
    **dict.fromkeys(_COLLECTIONS, _collection),
    # A project may have a member `webhook`.
    "environment": _project,
    "pipeline": _pipeline,
    "webhook": _webhook,
    "definition": _listed_webhook,
    "stages": lambda content, path: iter([_declared(Kind.PIPELINE, content, {}, path)]),
    "targetPipeline": lambda content, path: iter([_declared(Kind.WEBHOOK, content, {}, path)]),
    "project": _created_project,
    "actionType": _created_action_type,
    "id": _listed_action_type,
    "inputArtifactDetails": _action_type,
}


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


def from_properties(kind: Kind, properties: Mapping[str, Any], origin: Origin) -> Declared:
    """A resource from the evaluated properties of CloudFormation's, with its name among them."""
    path, problems = origin.path, Problems()
    around = {name: value for name, value in properties.items() if name in _AROUND[kind]}
    own = {name: value for name, value in properties.items() if name not in around}
    with problems:
        if "ArtifactStores" in own and kind is Kind.PIPELINE:
            # A list here, where the API has a map.
            place = f"{path}.ArtifactStores"
            own["ArtifactStores"] = _by_key(own["ArtifactStores"], "Region", "ArtifactStore", place)
    with problems:
        tags = _CLOUDFORMATION.tags(around.get("Tags"), f"{path}.Tags")
    with problems:
        registers = around.get("RegisterWithThirdParty", False)
        registered = _CLOUDFORMATION.boolean(registers, f"{path}.RegisterWithThirdParty")
    with problems:
        declaration = _CLOUDFORMATION.converted(own, kind.shape, path)
        with problems:
            _check(_CLOUDFORMATION, kind, declaration, path)
        disabled = _disabled(around, declaration["stages"], path) if kind is Kind.PIPELINE else None
    problems.check()
    return Declared(
        kind=kind,
        declaration=declaration,
        tags=tags,
        place=origin.place,
        disabled=disabled,
        registered=registered,
        owner=origin.owner,
    )


def _disabled(around: Mapping[str, Any], stages: Any, path: str) -> dict[str, str]:
    # Without the property nothing is disabled: that is what remains when the last one is removed.
    path = f"{path}.DisableInboundStageTransitions"
    listed = around.get("DisableInboundStageTransitions", [])
    names = {stage["name"] for stage in stages}
    reasons = _by_key(listed, "StageName", "Reason", path)
    for stage, reason in reasons.items():
        if stage not in names:
            raise HooklineError(f"{path} names the stage '{stage}', which the pipeline lacks")
        if not isinstance(reason, str) or not reason:
            raise HooklineError(f"{path}: the Reason for '{stage}' must be a text")
    return reasons


def _by_key(value: Any, key: str, item_name: str, path: str) -> dict[str, Any]:
    """A list of objects with just these two members, as a mapping of the one to the other."""
    match value:
        case [*items] if all(
            isinstance(item, dict) and {key, item_name} == item.keys() for item in items
        ):
            return {str(item[key]): item[item_name] for item in items}
    raise HooklineError(f"{path} must be a list of objects with {key} and {item_name}")
