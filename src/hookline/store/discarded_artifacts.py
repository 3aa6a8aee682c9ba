"""Executions that are forgotten, but whose artifacts are still in the artifact store."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from hookline.store.tables import discarded_artifacts


def some(connection: Connection, limit: int, after: str = "") -> list[tuple[int, str]]:
    """Up to `limit` of them in order, their pipeline's id and their own, which follows `after`."""
    query = (
        select(discarded_artifacts.c.pipeline_id, discarded_artifacts.c.execution_id)
        .where(discarded_artifacts.c.execution_id > after)
        .order_by(discarded_artifacts.c.execution_id)
        .limit(limit)
    )
    return [(row.pipeline_id, row.execution_id) for row in connection.execute(query)]


def remove(connection: Connection, execution_ids: Sequence[str]) -> None:
    """Note that their artifacts are deleted."""
    connection.execute(
        delete(discarded_artifacts).where(discarded_artifacts.c.execution_id.in_(execution_ids))
    )
