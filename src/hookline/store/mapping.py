"""Rows of a table as frozen values, and back."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Executable, Row, Select, Table, select
from sqlalchemy.sql.elements import TextClause

from hookline.store import dialect
from hookline.store.tables import Json

T = TypeVar("T")


class Mapper(Generic[T]):
    """Maps the rows of a table to values of `kind`; a column holds the field of its name.

    An enum is kept by its value, and JSON that is empty as NULL where the column takes it; NULL is
    the field's default. What differs is named: `written` is column → attribute of the value, with
    dots; `encoded` is column → what the driver takes for it; `read` is field → its value by a row.
    Columns of no field are left to the database.
    """

    def __init__(
        self,
        table: Table,
        kind: type[T],
        *,
        written: Mapping[str, str] = {},
        encoded: Mapping[str, Callable[[Any], Any]] = {},
        read: Mapping[str, Callable[[Row[Any]], Any]] = {},
    ) -> None:
        hints = get_type_hints(kind)
        names = hints.keys() | written.keys()
        columns = [column for column in table.c if column.name in names]
        self._table = table
        self._kind = kind
        self._columns = tuple(column.name for column in columns)
        self._values = attrgetter(*(written.get(name, name) for name in self._columns))
        self._encoders: list[tuple[int, Callable[[Any], Any]]] = []
        self._readers = dict(read)
        for position, column in enumerate(columns):
            hint = hints.get(column.name)
            if encode := encoded.get(column.name, _encoder(column, hint)):
                self._encoders.append((position, encode))
            if column.name in hints:
                self._readers.setdefault(column.name, _reader(column, hint))

    def columns(self, value: T) -> dict[str, Any]:
        """The columns of a value's row, as the driver takes them; JSON is its text."""
        return dict(zip(self._columns, self._row(value), strict=True))

    def insert(self, connection: Connection, values: Iterable[T]) -> None:
        """Add a row for each value, in their order."""
        rows = [self._row(value) for value in values]
        dialect.insert_rows(connection, self._table, self._columns, rows)

    def _row(self, value: T) -> tuple[Any, ...]:
        row = list(self._values(value))
        for position, encode in self._encoders:
            row[position] = encode(row[position])
        return tuple(row)

    def value(self, row: Row[Any]) -> T:
        """The value that a row holds."""
        fields = {name: read(row) for name, read in self._readers.items()}
        return self._kind(**{name: field for name, field in fields.items() if field is not None})

    def first(self, connection: Connection, query: Select[Any]) -> T | None:
        """The value of the first row that a query of the table finds."""
        row = connection.execute(query).first()
        return None if row is None else self.value(row)

    def all(self, connection: Connection, query: Executable) -> list[T]:
        """The values of all rows that a query of the table finds."""
        return [self.value(row) for row in connection.execute(query)]

    def newest(
        self,
        connection: Connection,
        *conditions: ColumnElement[bool] | TextClause,
        tie: str = "id",
    ) -> T | None:
        """The value that was started last, of several at once the one with the greatest `tie`.

        The conditions must be on what an index of the table begins with, before `started_at`: then
        it is one look-up, however many rows there are.
        """
        columns = self._table.c
        newest_first = (columns.started_at.desc(), columns[tie].desc())
        query = select(self._table).where(*conditions).order_by(*newest_first).limit(1)
        return self.first(connection, query)


def _encoder(column: Column[Any], hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(column.type, Json):
        return _json_or_null if column.nullable else dialect.json_text
    return _value_of if _is_enum(hint) else None


def _json_or_null(value: Any) -> str | None:
    return dialect.json_text(value) if value else None


def _value_of(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _is_enum(hint: Any) -> bool:
    kinds = get_args(hint) or (hint,)
    return any(isinstance(kind, type) and issubclass(kind, Enum) for kind in kinds)


def _reader(column: Column[Any], hint: Any) -> Callable[[Row[Any]], Any]:
    get = attrgetter(column.name)
    if not isinstance(column.type, Json) and not _is_enum(hint):
        return get

    def read(row: Row[Any]) -> Any:
        value = get(row)
        return None if value is None else msgspec.convert(value, hint)

    return read
