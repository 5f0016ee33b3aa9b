"""Many rows in one statement: they travel as one JSON array.

A statement per row costs more than its work. SQLite's driver lets go of the interpreter lock at
each, and beside a busy event loop has to wait for it every time; SQLAlchemy and PostgreSQL's
protocol handle every parameter of every row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Table,
    bindparam,
    cast,
    column,
    func,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def given(rows: Sequence[Row]) -> dict[str, str]:
    """The parameters of a statement that reads :func:`incoming`."""
    return {"rows": orjson.dumps(rows).decode()}


def incoming(dialect: str, table: Table, names: Sequence[str]) -> Mapping[str, ColumnElement[Any]]:
    """The columns of the rows that a statement is given, by name, with the types of the table."""
    rows: BindParameter[str] = bindparam("rows")
    if dialect == "postgresql":
        typed = [column(name, table.c[name].type) for name in names]
        records = func.json_to_recordset(cast(rows, JSON)).table_valued(*typed)
        found = records.render_derived(name="incoming", with_types=True)
        return {name: found.c[name] for name in names}
    value = func.json_each(rows).table_valued("value", name="incoming").c.value
    return {name: func.json_extract(value, f"$.{name}", type_=table.c[name].type) for name in names}


def insert(dialect: str, table: Table) -> Any:
    """An insert of the dialect, which knows ``on_conflict_do_update``."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


# SQLite would take the ON of ON CONFLICT for a join's
EVERY = true()
