"""A node's heartbeat, and its takeover from nodes that have none."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from hookline.errors import SettingsError, StoreUnavailableError
from hookline.executions.nodes import LOST_AFTER_S, check_artifacts, release_lost
from hookline.store import nodes
from hookline.store.database import Database, Hold
from hookline.store.nodes import Node

_log = structlog.get_logger()
_EVERY_S = 3.0
# Sooner than others consider the node lost.
_OWN_ACTIONS_END_AFTER_S = 15.0
_FORGOTTEN_AFTER_S = 86_400.0


class Heartbeat:
    """Gives a sign of life every three seconds, and releases what lost nodes ran.

    Where others could do the node's work, it calls `interrupt` once the node could give none for 15
    seconds. All of it in threads of its own, so that none waits for the others.
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
        self._watched = Watched()
        self._last = time.monotonic()

    def start(self) -> None:
        """Take the node's name, release what an earlier instance of it ran, and keep beating.

        Raises:
            SettingsError: a node of this name is alive.
            StoreUnavailableError: it can't be known.
        """
        if not _is_free(self._database, self._name, self._node.name):
            raise _name_in_use(self._node.name)
        with self._database.write() as connection:
            nodes.forget_old(connection, _FORGOTTEN_AFTER_S)
            nodes.put(connection, self._node)
        self._last = time.monotonic()
        self._release_lost()
        targets: dict[str, Callable[[], None]] = {
            "beat": partial(self._always, self._beat, "no sign of life given"),
            "release": partial(self._always, self._release_lost, "lost nodes not looked for"),
        }
        if self._database.is_shared:
            targets["watch"] = self._watch
        for name, target in targets.items():
            threading.Thread(target=target, name=name, daemon=True).start()

    def stop(self) -> None:
        """Give no more signs of life, and let others have what the node still owns."""
        self._stop.set()
        with self._database.write() as connection:
            nodes.remove(connection, self._node.instance)
        self._release_lost()
        self._name.close()

    def _always(self, do: Callable[[], None], failure: str) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                do()
            except StoreUnavailableError as error:
                _log.warning(failure, reason=error.message)
            except Exception:  # noqa: BLE001 - without the thread, actions would wait for ever
                _log.exception(failure)

    def _beat(self) -> None:
        began = time.monotonic()
        if not self._name.acquire() and self._database.is_shared:
            # Its session had ended, and another process has taken the name.
            _log.error("another node has taken this one's name", node=self._node.name)
            return
        with self._database.write() as connection:
            if not nodes.beat(connection, self._node.instance):
                # The row is gone, as after a restore: what it owned is no longer its own.
                self._interrupt()
                nodes.put(connection, self._node)
        self._last = began

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            if time.monotonic() - self._last > _OWN_ACTIONS_END_AFTER_S:
                self._interrupt()

    def _release_lost(self) -> None:
        with self._database.read() as connection:
            known = nodes.all_of(connection)
        silent = self._watched.silent(known, time.monotonic()) - {self._node.instance}
        if released := release_lost(self._database, silent, self._once_only):
            _log.warning("actions of lost nodes released", count=released)


class Watched:
    """Which nodes have no heartbeat, by the monotonic clock of this process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}

    def silent(self, known: Iterable[Node], now: float) -> set[str]:
        """The instances whose beat has not changed for too long at `now`, a monotonic time."""
        beats = {node.instance: node.beat_at for node in known}
        self._seen = {
            instance: self._seen[instance]
            if instance in self._seen and self._seen[instance][0] == beat
            else (beat, now)
            for instance, beat in beats.items()
        }
        return {
            instance for instance, (_, since) in self._seen.items() if now - since > LOST_AFTER_S
        }


def check_start(database: Database, name: str, artifacts: str) -> None:
    """Raise SettingsError where a node has this name, or keeps artifacts elsewhere."""
    held = database.hold(_held(name))
    if not _is_free(database, held, name):
        raise _name_in_use(name)
    held.close()
    if database.is_shared:
        with database.read() as connection:
            check_artifacts(connection, name, artifacts)


def _is_free(database: Database, held: Hold, name: str) -> bool:
    """Whether no node uses a name; a machine that lost its power may still hold it."""
    if held.acquire():
        return True
    with database.read() as connection:
        return name not in {node.name for node in nodes.living(connection, LOST_AFTER_S)}


def _held(name: str) -> str:
    return f"node:{name}"


def _name_in_use(name: str) -> SettingsError:
    return SettingsError(
        f"A node with the name '{name}' is at work on this database. Give each node a name of its "
        "own with HOOKLINE_NODE."
    )
