"""Custom action types of an account and region, and those that were marked as deleted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from hookline.model import ActionType, Scope
from hookline.store import dialect
from hookline.store.tables import action_types

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_LINK = re.compile(r"https?://")


@dataclass(frozen=True, slots=True)
class CustomActionType:
    """A custom action type. `definition` is in the API's own shape, without its id.

    One that is `deleted` runs no more actions; it can be restored by the same definition only.
    """

    type: ActionType
    definition: Mapping[str, Any]
    deleted: bool = False

    @property
    def properties(self) -> tuple[Mapping[str, Any], ...]:
        """What its actions can be told, as ActionConfigurationProperty."""
        return tuple(self.definition.get("actionConfigurationProperties", ()))

    @property
    def secret_keys(self) -> frozenset[str]:
        """The names of the properties whose values are secrets."""
        return frozenset(item["name"] for item in self.properties if item["secret"])

    def link(
        self, name: str, configuration: Mapping[str, str], external_execution_id: str | None
    ) -> str | None:
        """The page that the template `name` of the settings leads to, as far as that is known.

        `configuration` is an action's, without its secrets, and references as they are resolved.
        """
        template = self.definition.get("settings", {}).get(name, "")
        values = {
            f"Config:{key}": value for key, value in configuration.items() if "#{" not in value
        }
        if external_execution_id is not None:
            values["ExternalExecutionId"] = external_execution_id
        if any(key not in values for key in _PLACEHOLDER.findall(template)):
            return None
        link = _PLACEHOLDER.sub(lambda match: values[match[1]], template)
        return link if _LINK.match(link) else None

    @property
    def queryable_key(self) -> str | None:
        """The name of the property by which job workers choose jobs."""
        return next((item["name"] for item in self.properties if item.get("queryable")), None)


def lock_scope(connection: Connection, scope: Scope) -> None:
    """Let nobody else create or delete action types of this scope until the transaction ends."""
    dialect.serialize(connection, f"action-types:{scope.account}:{scope.region}")


def put(connection: Connection, scope: Scope, custom: CustomActionType) -> None:
    """Keep an action type, in place of one that has the same id."""
    dialect.insert_or_replace(
        connection,
        action_types,
        ["account", "region", "category", "provider", "version"],
        {
            "account": scope.account,
            "region": scope.region,
            "category": custom.type.category,
            "provider": custom.type.provider,
            "version": custom.type.version,
            "definition": dict(custom.definition),
            "deleted": custom.deleted,
        },
    )


def mark_deleted(connection: Connection, scope: Scope, kind: ActionType) -> None:
    """Mark an action type as deleted; nothing happens where there is none."""
    connection.execute(update(action_types).where(_is(scope, kind)).values(deleted=True))


def find(connection: Connection, scope: Scope, kind: ActionType) -> CustomActionType | None:
    """An action type, including a deleted one; None for one that never existed."""
    row = connection.execute(select(action_types).where(_is(scope, kind))).first()
    return None if row is None else _custom_action_type(row)


def available(connection: Connection, scope: Scope, kind: ActionType) -> CustomActionType | None:
    """An action type that is not deleted."""
    found = find(connection, scope, kind)
    return None if found is None or found.deleted else found


def all_available(connection: Connection, scope: Scope) -> list[CustomActionType]:
    """All action types of the scope that are not deleted, in the order of their ids."""
    query = select(action_types).where(
        action_types.c.account == scope.account,
        action_types.c.region == scope.region,
        action_types.c.deleted.is_(False),
    )
    found = [_custom_action_type(row) for row in connection.execute(query)]
    return sorted(found, key=lambda custom: custom.type)


def _is(scope: Scope, kind: ActionType) -> Any:
    return and_(
        action_types.c.account == scope.account,
        action_types.c.region == scope.region,
        action_types.c.category == kind.category,
        action_types.c.provider == kind.provider,
        action_types.c.version == kind.version,
    )


def _custom_action_type(row: Row[Any]) -> CustomActionType:
    kind = ActionType(row.category, "Custom", row.provider, row.version)
    return CustomActionType(kind, row.definition, row.deleted)
