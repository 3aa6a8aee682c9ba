"""TagResource, UntagResource, ListTagsForResource."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hookline.api import tags as api_tags
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import InvalidArnException, ResourceNotFoundException
from hookline.model import ActionType, Scope
from hookline.store import action_types, pipelines, tags, webhooks

_PAGE = 100
_ACTION_TYPE_PATH = ("category", "provider", "version")


class TagOperations:
    """The operations on tags of pipelines, webhooks and custom action types."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._page_tokens = dependencies.page_tokens

    def tag_resource(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add tags, or give those that are there new values."""
        arn = parameters["resourceArn"]
        added = api_tags.checked(parameters["tags"])
        with self._database.write() as connection:
            _lock(connection, caller.scope, arn)
            _check_resource(connection, caller.scope, arn)
            together = tags.of(connection, [arn])[arn] | added
            tags.replace(connection, arn, api_tags.checked(api_tags.listed(together)))
        return {}

    def untag_resource(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Remove tags; one that is not there is no error."""
        arn = parameters["resourceArn"]
        with self._database.write() as connection:
            _lock(connection, caller.scope, arn)
            _check_resource(connection, caller.scope, arn)
            kept = tags.of(connection, [arn])[arn]
            for key in parameters["tagKeys"]:
                kept.pop(key, None)
            tags.replace(connection, arn, kept)
        return {}

    def list_tags_for_resource(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a resource's tags by key."""
        arn, token = parameters["resourceArn"], parameters.get("nextToken")
        listing, size = f"ListTagsForResource {arn}", parameters.get("maxResults", _PAGE)
        with self._database.read() as connection:
            _check_resource(connection, caller.scope, arn)
            page = self._page_tokens.page(caller.scope, listing, token, size)
            found = tags.of(connection, [arn])[arn]
        following = [key for key in found if not page.after or key > page.after]
        shown, token = page.cut(following, str)
        return {"tags": api_tags.listed({key: found[key] for key in shown}), "nextToken": token}


def _lock(connection: Connection, scope: Scope, arn: str) -> None:
    """Let nobody else tag or delete the resource until the transaction ends."""
    match arn.split(":"):
        case [_, _, _, _, _, name]:
            pipelines.lock(connection, [(scope, name)])
        case [_, _, _, _, _, "webhook", _]:
            webhooks.lock_scope(connection, scope)
        case [_, _, _, _, _, "actiontype", _]:
            action_types.lock_scope(connection, scope)


def _check_resource(connection: Connection, scope: Scope, arn: str) -> None:
    """Refuse what is no pipeline, webhook or custom action type of the scope."""
    match arn.split(":"):
        case ["arn", partition, "codepipeline", region, account, name]:
            exists = pipelines.find(connection, scope, name) is not None
        case ["arn", partition, "codepipeline", region, account, "webhook", name]:
            exists = webhooks.exists(connection, scope, name)
        case ["arn", partition, "codepipeline", region, account, "actiontype", path]:
            exists = _has_action_type(connection, scope, path)
        case _:
            raise InvalidArnException(
                f"'{arn}' is not the ARN of a pipeline, webhook or action type"
            )
    is_here = (partition, Scope(account, region)) == (scope.partition, scope)
    if not is_here or not exists:
        raise ResourceNotFoundException(
            f"There is no pipeline, webhook or custom action type with the ARN '{arn}'"
        )


def _has_action_type(connection: Connection, scope: Scope, path: str) -> bool:
    owner, *rest = path.split("/")
    if owner != "Custom" or len(rest) != len(_ACTION_TYPE_PATH):
        return False
    kind = ActionType.of({"owner": owner, **dict(zip(_ACTION_TYPE_PATH, rest, strict=True))})
    return action_types.available(connection, scope, kind) is not None
