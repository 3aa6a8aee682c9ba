"""Queries shared by the tables of executions."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select
from sqlalchemy.sql.elements import TextClause


def newest(
    connection: Connection, table: Table, *which: ColumnElement[bool] | TextClause, tie: str = "id"
) -> Row[Any] | None:
    """The row that began last, of two that began at once the one with the greater `tie`.

    `which` must be what an index of the table begins with, before the time: then it is one look-up,
    however many rows there are.
    """
    newest_first = (table.c.started_at.desc(), table.c[tie].desc())
    return connection.execute(select(table).where(*which).order_by(*newest_first).limit(1)).first()
