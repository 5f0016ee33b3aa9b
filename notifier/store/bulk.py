"""Many rows in one statement, which finds them in a table named ``incoming``.

A statement per row costs more than its work. SQLite's driver lets go of the interpreter lock at
each, and beside a busy event loop has to wait for it every time; SQLAlchemy and PostgreSQL's
protocol handle every parameter of every row. SQLite takes the rows as VALUES, a third of what they
cost it as JSON; PostgreSQL takes them as one JSON array, so that one statement serves any number.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Protocol

import orjson
from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Table,
    UpdateBase,
    bindparam,
    cast,
    column,
    func,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = Sequence[Any]
Columns = Mapping[str, ColumnElement[Any]]
Statement = UpdateBase | Select[Any]
# a statement is made for each power of two: the driver keeps 128 prepared ones
_MOST_ROWS = 64


class Bulk(Protocol):
    """A statement that takes rows."""

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Any]:
        """Run it; every row holds the values of the names in their order.

        Returns:
            The rows that a query found, in no order.
        """
        ...


def bulk(
    dialect: str, target: Table, names: Sequence[str], make: Callable[[Columns], Statement]
) -> Bulk:
    """A statement that reads rows of these columns of a table.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
        target: gives the columns their types.
        names: of the columns; the first one is never null.
        make: makes the statement from the incoming columns, by name.
    """
    kind = _Json if dialect == "postgresql" else _Values
    return kind(target, names, make)


class _Json:
    def __init__(
        self, target: Table, names: Sequence[str], make: Callable[[Columns], Statement]
    ) -> None:
        rows: BindParameter[str] = bindparam("rows")
        typed = [column(name, target.c[name].type) for name in names]
        records = func.json_to_recordset(cast(rows, JSON)).table_valued(*typed)
        found = records.render_derived(name="incoming", with_types=True)
        # the database library's names are no plain texts, which JSON wants as keys
        self._names = [str(name) for name in names]
        self._statement = make({name: found.c[name] for name in names})

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Any]:
        named = [dict(zip(self._names, row, strict=True)) for row in rows]
        result = connection.execute(self._statement, {"rows": orjson.dumps(named).decode()})
        return result.all() if result.returns_rows else ()


class _Values:
    def __init__(
        self, target: Table, names: Sequence[str], make: Callable[[Columns], Statement]
    ) -> None:
        incoming = table("incoming", *(column(name, target.c[name].type) for name in names))
        statement = make({name: incoming.c[name] for name in names})
        compiled = statement.compile(
            dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
        )
        self._text, self._names = str(compiled), names
        self._nothing = (None,) * len(names)
        self._sized = cache(self._of_size)

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Any]:
        found: list[Any] = []
        for start in range(0, len(rows), _MOST_ROWS):
            some = rows[start : start + _MOST_ROWS]
            size = 1 << (len(some) - 1).bit_length()
            # the statement passes over rows without a first column
            filled = [*some, *[self._nothing] * (size - len(some))]
            values = tuple(chain.from_iterable(filled))
            result = connection.exec_driver_sql(self._sized(size), values)
            if result.returns_rows:
                found += result.all()
        return found

    def _of_size(self, size: int) -> str:
        marks = f"({', '.join('?' * len(self._names))})"
        values = ", ".join([marks] * size)
        return f"WITH incoming ({', '.join(self._names)}) AS (VALUES {values}) {self._text}"


def insert(dialect: str, target: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert of the dialect, which knows ``on_conflict_do_update``."""
    return postgresql.insert(target) if dialect == "postgresql" else sqlite.insert(target)
