"""The forms in which the API's own clients write pipelines, webhooks and custom action types."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hookline.declarations.action_types import as_created
from hookline.declarations.constraints import check
from hookline.declarations.problems import Problems, each
from hookline.declarations.resources import (
    Declarations,
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

_FORMS = (
    "what `aws codepipeline get-pipeline`, `list-webhooks`, `put-webhook`, `list-action-types` and "
    "`create-custom-action-type` print or take, a pipeline or a webhook itself, what "
    "`hookline export` writes, or a CloudFormation template"
)
_Declared = DeclaredPipeline | DeclaredWebhook | DeclaredActionType
_COLLECTIONS = ("actionTypes", "pipelines", "webhooks")
_IGNORED = frozenset(
    {"metadata", "url", "arn", "lastTriggered", "errorCode", "errorMessage", "ResponseMetadata"}
)


def declared_in(content: Any, title: str) -> Declarations:
    """What a document declares; `title` names it in messages. Raises HooklineError."""
    items = _items(content, title)
    return Declarations(
        pipelines=tuple(item for item in items if isinstance(item, DeclaredPipeline)),
        webhooks=tuple(item for item in items if isinstance(item, DeclaredWebhook)),
        action_types=tuple(item for item in items if isinstance(item, DeclaredActionType)),
    )


def _items(content: Any, path: str) -> list[_Declared]:
    if isinstance(content, list):
        return _listed(content, path)
    if not isinstance(content, dict):
        raise HooklineError(f"{path} declares nothing. Give {_FORMS}.")
    form = next((form for key, form in _BY_KEY.items() if key in content), None)
    if form is None:
        raise HooklineError(_unknown_form(content, path))
    return list(form(content, path))


def _listed(items: list[Any], path: str) -> list[_Declared]:
    numbered = enumerate(items)
    return [
        declared
        for found in each(numbered, lambda entry: _items(entry[1], f"{path}[{entry[0]}]"))
        for declared in found
    ]


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
        if key not in known | _IGNORED:
            raise HooklineError(
                f"{path} has '{key}', which doesn't belong there. There are "
                f"{', '.join(sorted(known))}."
            )


def _collection(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    if "NextToken" in content or "nextToken" in content:
        raise HooklineError(f"{path} is one page of several. Fetch all pages first.")
    _check_keys(content, {*_COLLECTIONS}, path)
    for items in each(
        _COLLECTIONS, lambda key: _listed(_list(content, key, path), f"{path}: {key}")
    ):
        yield from items


def _list(content: Mapping[str, Any], key: str, path: str) -> list[Any]:
    listed = content.get(key, [])
    if not isinstance(listed, list):
        raise HooklineError(f"{path}: {key} must be a list")
    return listed


def _pipeline(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    _check_keys(content, {"pipeline", "tags"}, path)
    yield _as_pipeline(content["pipeline"], content.get("tags"), path)


def _bare_pipeline(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    yield _as_pipeline(content, None, path)


def _as_pipeline(content: Any, tags: Any, path: str) -> DeclaredPipeline:
    problems, where = Problems(), f"{path}: pipeline"
    with problems:
        declaration = converted(content, shape_named("PipelineDeclaration"), where)
        check("CreatePipeline", declaration, where, member="pipeline")
    with problems:
        checked_tags = tags_of(tags, f"{path}: tags")
    problems.check()
    # The server counts versions itself.
    declaration.pop("version", None)
    return DeclaredPipeline(
        name=declaration["name"], declaration=declaration, tags=checked_tags, place=path
    )


def _webhook(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    inner = content["webhook"]
    if isinstance(inner, dict) and "definition" in inner:
        # What put-webhook prints, where it takes the definition itself.
        yield from _listed_webhook(inner, path)
        return
    _check_keys(content, {"webhook", "tags", "registered"}, path)
    yield _as_webhook(inner, content, path)


def _listed_webhook(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    _check_keys(content, {"definition", "tags"}, path)
    yield _as_webhook(content["definition"], content, path)


def _bare_webhook(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    yield _as_webhook(content, {}, path)


def _as_webhook(definition: Any, around: Mapping[str, Any], path: str) -> DeclaredWebhook:
    problems, where = Problems(), f"{path}: webhook"
    with problems:
        checked = converted(definition, shape_named("WebhookDefinition"), where)
        check("PutWebhook", checked, where, member="webhook")
    with problems:
        tags = tags_of(around.get("tags"), f"{path}: tags")
    with problems:
        registered = as_boolean(around.get("registered", False), f"{path}: registered")
    problems.check()
    return DeclaredWebhook(
        name=checked["name"], definition=checked, tags=tags, place=path, registered=registered
    )


def _created_action_type(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    # What create-custom-action-type prints.
    _check_keys(content, {"actionType", "tags"}, path)
    yield from _listed_action_type(content["actionType"], path, content.get("tags"))


def _listed_action_type(content: Any, path: str, tags: Any = None) -> Iterator[_Declared]:
    listed = converted(content, shape_named("ActionType"), f"{path}: actionType")
    if listed["id"]["owner"] != "Custom":
        raise HooklineError(
            f"{path} is an action type of {listed['id']['owner']}, which need not be declared. "
            "List yours with --action-owner-filter Custom."
        )
    yield from _action_type({**as_created(listed), **({"tags": tags} if tags else {})}, path)


def _action_type(content: Mapping[str, Any], path: str) -> Iterator[_Declared]:
    operation, where = "CreateCustomActionType", f"{path}: actionType"
    parameters = converted(content, operation_input(operation), where)
    check(operation, parameters, where)
    yield DeclaredActionType(parameters=parameters, place=path)


_Form = Callable[[Mapping[str, Any], str], Iterator[_Declared]]
_BY_KEY: Mapping[str, _Form] = {
    **dict.fromkeys(_COLLECTIONS, _collection),
    "pipeline": _pipeline,
    "webhook": _webhook,
    "definition": _listed_webhook,
    "stages": _bare_pipeline,
    "targetPipeline": _bare_webhook,
    "actionType": _created_action_type,
    "id": _listed_action_type,
    "inputArtifactDetails": _action_type,
}
