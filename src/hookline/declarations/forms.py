"""The forms in which the API's own clients write pipelines and webhooks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hookline.declarations.resources import Declarations, DeclaredPipeline, DeclaredWebhook
from hookline.declarations.shapes import as_boolean, converted, shape_named, tags_of
from hookline.errors import HooklineError

_FORMS = (
    "what `aws codepipeline get-pipeline`, `list-webhooks` and `put-webhook` print or take, a "
    "pipeline or a webhook itself, what `hookline export` writes, or a CloudFormation template"
)
_IGNORED = frozenset(
    {"metadata", "url", "arn", "lastTriggered", "errorCode", "errorMessage", "ResponseMetadata"}
)


def declared_in(content: Any, title: str) -> Declarations:
    """What a document declares; `title` names it in messages. Raises HooklineError."""
    pipelines, webhooks = [], []
    for item in _items(content, title):
        if isinstance(item, DeclaredPipeline):
            pipelines.append(item)
        else:
            webhooks.append(item)
    return Declarations(pipelines=tuple(pipelines), webhooks=tuple(webhooks))


def _items(content: Any, path: str) -> Iterator[DeclaredPipeline | DeclaredWebhook]:
    if isinstance(content, list):
        for number, item in enumerate(content, 1):
            yield from _items(item, f"{path}: [{number}]")
        return
    if not isinstance(content, dict):
        raise HooklineError(f"{path} declares nothing. Give {_FORMS}.")
    form = next((form for key, form in _BY_KEY.items() if key in content), None)
    if form is None:
        raise HooklineError(_unknown_form(content, path))
    yield from form(content, path)


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


def _collection(
    content: Mapping[str, Any], path: str
) -> Iterator[DeclaredPipeline | DeclaredWebhook]:
    if "NextToken" in content or "nextToken" in content:
        raise HooklineError(f"{path} is one page of several. Fetch all pages first.")
    _check_keys(content, {"pipelines", "webhooks"}, path)
    for key in ("pipelines", "webhooks"):
        listed = content.get(key, [])
        if not isinstance(listed, list):
            raise HooklineError(f"{path}: {key} must be a list")
        for number, item in enumerate(listed, 1):
            yield from _items(item, f"{path}: {key}[{number}]")


def _pipeline(content: Mapping[str, Any], path: str) -> Iterator[DeclaredPipeline]:
    _check_keys(content, {"pipeline", "tags"}, path)
    yield _as_pipeline(content["pipeline"], content.get("tags"), path)


def _bare_pipeline(content: Mapping[str, Any], path: str) -> Iterator[DeclaredPipeline]:
    yield _as_pipeline(content, None, path)


def _as_pipeline(content: Any, tags: Any, path: str) -> DeclaredPipeline:
    declaration = converted(content, shape_named("PipelineDeclaration"), f"{path}: pipeline")
    # The server counts versions itself.
    declaration.pop("version", None)
    return DeclaredPipeline(
        name=declaration["name"],
        declaration=declaration,
        tags=tags_of(tags, f"{path}: tags"),
        place=path,
    )


def _webhook(content: Mapping[str, Any], path: str) -> Iterator[DeclaredWebhook]:
    inner = content["webhook"]
    if isinstance(inner, dict) and "definition" in inner:
        # What put-webhook prints, where it takes the definition itself.
        yield from _listed_webhook(inner, path)
        return
    _check_keys(content, {"webhook", "tags", "registered"}, path)
    yield _as_webhook(inner, content, path)


def _listed_webhook(content: Mapping[str, Any], path: str) -> Iterator[DeclaredWebhook]:
    _check_keys(content, {"definition", "tags"}, path)
    yield _as_webhook(content["definition"], content, path)


def _bare_webhook(content: Mapping[str, Any], path: str) -> Iterator[DeclaredWebhook]:
    yield _as_webhook(content, {}, path)


def _as_webhook(definition: Any, around: Mapping[str, Any], path: str) -> DeclaredWebhook:
    checked = converted(definition, shape_named("WebhookDefinition"), f"{path}: webhook")
    return DeclaredWebhook(
        name=checked["name"],
        definition=checked,
        tags=tags_of(around.get("tags"), f"{path}: tags"),
        place=path,
        registered=as_boolean(around.get("registered", False), f"{path}: registered"),
    )


_Form = Callable[[Mapping[str, Any], str], Iterator[DeclaredPipeline | DeclaredWebhook]]
_BY_KEY: Mapping[str, _Form] = {
    "pipelines": _collection,
    "webhooks": _collection,
    "pipeline": _pipeline,
    "webhook": _webhook,
    "definition": _listed_webhook,
    "stages": _bare_pipeline,
    "targetPipeline": _bare_webhook,
}
