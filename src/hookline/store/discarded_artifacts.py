"""Executions that are forgotten, but whose artifacts are still in the artifact store."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from hookline.store.tables import discarded_artifacts


def some(connection: Connection, limit: int) -> list[tuple[int, str]]:
    """Up to `limit` of them: their pipeline's id and their own."""
    query = select(discarded_artifacts.c.pipeline_id, discarded_artifacts.c.execution_id)
    return [(row.pipeline_id, row.execution_id) for row in connection.execute(query.limit(limit))]


def remove(connection: Connection, execution_ids: Sequence[str]) -> None:
    """Note that their artifacts are deleted."""
    connection.execute(
        delete(discarded_artifacts).where(discarded_artifacts.c.execution_id.in_(execution_ids))
    )
