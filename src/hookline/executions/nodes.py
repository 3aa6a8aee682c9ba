"""Which nodes are alive, and what becomes of the actions of those that are not."""

from collections.abc import Collection

from sqlalchemy import Connection

from hookline.errors import ActionError, SettingsError
from hookline.executions.finish import Abandoned, end, still_held
from hookline.executions.take import declared_action
from hookline.store import action_executions, executions, nodes, pipelines
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database

LOST_AFTER_S = 20.0
"""A node that has given no sign of life for so long is lost, and others do its work."""


def living(connection: Connection) -> list[str]:
    """The instances of the nodes that are alive."""
    return [node.instance for node in nodes.living(connection, LOST_AFTER_S)]


def check_artifacts(connection: Connection, name: str, artifacts: str) -> None:
    """Raise SettingsError where a living node of another name keeps artifacts elsewhere."""
    for node in nodes.living(connection, LOST_AFTER_S):
        if node.name != name and node.artifacts != artifacts:
            raise SettingsError(
                f"The node '{node.name}' of this database keeps artifacts in another place, where "
                f"'{name}' would not find them. Give all nodes the same artifact_store: a bucket, "
                "or a folder that all of them mount."
            )


def release_lost(
    database: Database, silent: Collection[str], once_only: Collection[str] = ()
) -> int:
    """Let nodes take again what the node instances `silent`, and those that have gone, ran.

    Actions of the types `once_only` fail instead, and those of executions whose stop abandons them
    are abandoned. Returns how many there were.
    """
    with database.read() as connection:
        found = action_executions.lost(connection, silent)
    database.write_each(
        {item.id: item for item in found},
        lambda connection, item: release(connection, item, once_only),
        "action of a lost node not released",
    )
    return len(found)


def release(connection: Connection, lost: ActionExecution, once_only: Collection[str] = ()) -> bool:
    """Let nodes take again what another one has `lost`; False if that one no longer owns it."""
    found = still_held(connection, lost)
    if found is None:
        return False
    execution = executions.find(connection, found.execution_id)
    if execution is not None and execution.stop is not None and execution.stop.abandon:
        end(connection, found, Abandoned())
    elif _runs_once(connection, found, once_only):
        message = "The node that ran the action was lost; actions of its type are run only once"
        end(connection, found, ActionError(message, "SystemUnavailable"))
    else:
        action_executions.release(connection, found.id)
    return True


def _runs_once(connection: Connection, found: ActionExecution, once_only: Collection[str]) -> bool:
    if not once_only:
        return False
    pipeline = pipelines.get(connection, found.pipeline_id, found.pipeline_version)
    return pipeline is not None and declared_action(pipeline, found).type.path in once_only
