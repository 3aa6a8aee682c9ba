"""A node's sign of life, and what it does for those that give none."""

import threading
import time
from collections.abc import Callable

import structlog

from hookline.errors import SettingsError, StoreUnavailableError
from hookline.executions.nodes import check_artifacts, living, release_lost
from hookline.store import nodes
from hookline.store.database import Database
from hookline.store.nodes import Node

_log = structlog.get_logger()
_EVERY_S = 3.0
# Sooner than others take the node for lost.
_OWN_ACTIONS_END_AFTER_S = 15.0


class Heartbeat:
    """Gives a sign of life every three seconds, in a thread of its own.

    Without the store for 15 seconds, it calls `interrupt`: others are about to do the node's work.
    """

    def __init__(
        self,
        database: Database,
        node: Node,
        once_only: tuple[str, ...],
        interrupt: Callable[[], None],
    ) -> None:
        self._database = database
        self._node = node
        self._once_only = once_only
        self._interrupt = interrupt
        self._stop = threading.Event()
        self._name = database.hold(_held(node.name))
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take the node's name, release what an earlier instance of it ran, and go on beating.

        Raises:
            SettingsError: a node of this name is alive.
            StoreUnavailableError: it can't be known.
        """
        if not self._name.acquire():
            raise _name_in_use(self._node.name)
        with self._database.write() as connection:
            nodes.put(connection, self._node)
        self._release_lost()
        self._thread.start()

    def stop(self) -> None:
        """Give no more signs of life, and forget the node."""
        self._stop.set()
        with self._database.write() as connection:
            nodes.remove(connection, self._node.instance)
        self._release_lost()
        self._name.close()

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(_EVERY_S):
            began = time.monotonic()
            try:
                with self._database.write() as connection:
                    nodes.beat(connection, self._node.instance)
                last = began
                self._release_lost()
            except StoreUnavailableError as error:
                _log.warning("no sign of life given", reason=error.message)
            except Exception:  # noqa: BLE001 - without a thread the node would be taken for lost
                _log.exception("no sign of life given")
            if time.monotonic() - last > _OWN_ACTIONS_END_AFTER_S:
                self._interrupt()

    def _release_lost(self) -> None:
        with self._database.read() as connection:
            alive = living(connection)
        if released := release_lost(self._database, alive, self._once_only):
            _log.warning("actions of lost nodes released", count=released)


def check_start(database: Database, name: str, artifacts: str) -> None:
    """Raise SettingsError where a node has this name, or keeps artifacts elsewhere."""
    held = database.hold(_held(name))
    if not held.acquire():
        raise _name_in_use(name)
    held.close()
    if database.is_shared:
        with database.read() as connection:
            check_artifacts(connection, name, artifacts)


def _held(name: str) -> str:
    return f"node:{name}"


def _name_in_use(name: str) -> SettingsError:
    return SettingsError(
        f"A node with the name '{name}' is at work on this database. Give each node a name of its "
        "own with HOOKLINE_NODE."
    )
