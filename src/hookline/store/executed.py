"""What is asked alike of all tables of executions: the newest of each thing, and pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, exists, func, or_, select


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions of actions or rules: of one pipeline execution, of each thing the newest."""

    execution_id: str | None = None
    only_latest: bool = False


def newest(
    connection: Connection, table: Table, things: Sequence[str], pipeline_id: int, tie: str = "id"
) -> Iterable[Row[Any]]:
    """Of each thing of a pipeline the row that began last; `things` are the columns that name one.

    Of two that began at the same moment the one with the greater `tie`.
    """
    position = func.row_number().over(
        partition_by=[table.c[name] for name in things],
        order_by=(table.c.started_at.desc(), table.c[tie].desc()),
    )
    ranked = (
        select(table, position.label("position"))
        .where(table.c.pipeline_id == pipeline_id)
        .subquery()
    )
    return connection.execute(select(ranked).where(ranked.c.position == 1))


def page(  # noqa: PLR0913 - what a page consists of
    connection: Connection,
    table: Table,
    things: Sequence[str],
    pipeline_id: int,
    *,
    wanted: Wanted,
    before: tuple[float, str] | None,
    limit: int,
) -> Iterable[Row[Any]]:
    """Up to `limit` rows of a pipeline, the newest first; `things` as in `newest`.

    `before` is (started_at, id) of the last one seen.
    """
    query = select(table).where(table.c.pipeline_id == pipeline_id)
    if wanted.execution_id is not None:
        query = query.where(table.c.execution_id == wanted.execution_id)
    if wanted.only_latest:
        later = table.alias()
        same = (later.c[name] == table.c[name] for name in ("execution_id", *things))
        query = query.where(~exists().where(*same, later.c.started_at > table.c.started_at))
    if before is not None:
        started_at, identifier = before
        query = query.where(
            or_(
                table.c.started_at < started_at,
                and_(table.c.started_at == started_at, table.c.id < identifier),
            )
        )
    return connection.execute(
        query.order_by(table.c.started_at.desc(), table.c.id.desc()).limit(limit)
    )
