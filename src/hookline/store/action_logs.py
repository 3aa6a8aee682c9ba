"""The logs of action executions: appended in chunks, and read from any byte on."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select

from hookline.store import dialect
from hookline.store.compression import compress, decompress
from hookline.store.database import Database
from hookline.store.tables import action_executions
from hookline.store.tables import action_log_chunks as chunks

CHUNK = 65_536
"""How many bytes of a log one row holds at most."""

_KEY = ("action_execution_id", "start")
_CHUNKS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the log of an action execution, the first of them at `start`."""

    action_execution_id: str
    start: int
    data: bytes


def append(connection: Connection, part: Part) -> None:
    """Write what follows in a log.

    Where it is not known whether an earlier call has written, the same part may be written again,
    also with more behind it. The caller sees to it that nobody else writes to this log.
    """
    for position in range(0, len(part.data), CHUNK):
        data = part.data[position : position + CHUNK]
        values = {
            "action_execution_id": part.action_execution_id,
            "start": part.start + position,
            "length": len(data),
            "data": compress(data),
        }
        dialect.insert_or_replace(connection, chunks, _KEY, values)


def length(connection: Connection, action_execution_id: str) -> int:
    """How many bytes the log of an action execution has so far."""
    query = (
        select(chunks.c.start + chunks.c.length)
        .where(chunks.c.action_execution_id == action_execution_id)
        .order_by(chunks.c.start.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or 0


def count_chunks(connection: Connection, execution_ids: Collection[str]) -> dict[str, int]:
    """How many chunks the logs of pipeline executions have, of those that have some."""
    query = (
        select(action_executions.c.execution_id, func.count().label("chunks"))
        .join(chunks, chunks.c.action_execution_id == action_executions.c.id)
        .where(action_executions.c.execution_id.in_(execution_ids))
        .group_by(action_executions.c.execution_id)
    )
    return {row.execution_id: row.chunks for row in connection.execute(query)}


def remove(connection: Connection, execution_ids: Collection[str]) -> None:
    """Delete the logs of pipeline executions whose actions are still there."""
    of_executions = select(action_executions.c.id).where(
        action_executions.c.execution_id.in_(execution_ids)
    )
    connection.execute(delete(chunks).where(chunks.c.action_execution_id.in_(of_executions)))


def open_log(database: Database, action_execution_id: str, offset: int = 0) -> Iterator[bytes]:
    """The log of an action execution as it is now, from the byte `offset` on, in small pieces.

    To follow a log that grows, open it again at the sum of the offset and of what came. What is
    before the offset is not read, and no transaction is open while the caller works on a piece.

    Raises StoreUnavailableError, also after some pieces.
    """
    while True:
        with database.read() as connection:
            found = _chunks(connection, action_execution_id, offset)
        for start, data in found:
            piece = decompress(data)[max(0, offset - start) :]
            if piece:
                yield piece
                offset += len(piece)
        if len(found) < _CHUNKS_AT_ONCE:
            return


def _chunks(
    connection: Connection, action_execution_id: str, offset: int
) -> list[tuple[int, bytes]]:
    """The chunk that has the byte `offset`, and some after it, each with its start."""
    of_log = chunks.c.action_execution_id == action_execution_id
    first = select(func.max(chunks.c.start)).where(of_log, chunks.c.start <= offset)
    query = (
        select(chunks.c.start, chunks.c.data)
        .where(of_log, chunks.c.start >= first.scalar_subquery())
        .order_by(chunks.c.start)
        .limit(_CHUNKS_AT_ONCE)
    )
    return [(row.start, bytes(row.data)) for row in connection.execute(query)]
