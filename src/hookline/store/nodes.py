"""Nodes: the processes that run actions; each start of one is a new instance."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from hookline.store import dialect
from hookline.store.tables import nodes


@dataclass(frozen=True, slots=True)
class Node:
    """A node. Times are epoch seconds; `beat_at` is that of its last sign of life.

    Nodes with the same `artifacts` see each other's artifacts.
    """

    name: str
    instance: str
    version: str
    labels: tuple[str, ...]
    artifacts: str = ""
    started_at: float = 0.0
    beat_at: float = 0.0


def put(connection: Connection, node: Node) -> None:
    """Keep a node that starts now; one of the same name that was there before is forgotten."""
    now = dialect.now(connection)
    dialect.insert_or_replace(
        connection,
        nodes,
        ["name"],
        {
            "name": node.name,
            "instance": node.instance,
            "version": node.version,
            "labels": list(node.labels),
            "artifacts": node.artifacts,
            "started_at": now,
            "beat_at": now,
        },
    )


def beat(connection: Connection, instance: str) -> bool:
    """Note that a node is alive; False where it is no longer known."""
    now = dialect.now(connection)
    beaten = update(nodes).where(nodes.c.instance == instance).values(beat_at=now)
    return bool(connection.execute(beaten).rowcount)


def remove(connection: Connection, instance: str) -> None:
    """Forget a node that stops."""
    connection.execute(delete(nodes).where(nodes.c.instance == instance))


def forget_old(connection: Connection, seconds: float) -> None:
    """Forget the nodes that have given no sign of life for so long."""
    before = dialect.now(connection) - seconds
    connection.execute(delete(nodes).where(nodes.c.beat_at < before))


def all_of(connection: Connection) -> Sequence[Node]:
    """All nodes, by name."""
    return [
        Node(
            name=row.name,
            instance=row.instance,
            version=row.version,
            labels=tuple(row.labels),
            artifacts=row.artifacts,
            started_at=row.started_at,
            beat_at=row.beat_at,
        )
        for row in connection.execute(select(nodes).order_by(nodes.c.name))
    ]


def living(connection: Connection, seconds: float) -> list[Node]:
    """The nodes that have given a sign of life within so many seconds."""
    since = dialect.now(connection) - seconds
    return [node for node in all_of(connection) if node.beat_at >= since]
