"""The order of the outbox is an index's: a storm does not make a claim dearer."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event

from notifier.deliver.protocol import Operation
from notifier.store import SqlStore
from notifier.store.base import ANYTHING, Allowance, Lease
from notifier.store.outbox import claim

LEASE = Lease("me", datetime(2026, 1, 1, tzinfo=UTC), 60)
NO_SCAN = {"sqlite": "SELECT 1", "postgresql": "SET LOCAL enable_seqscan = off"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}


def plans(allowance: Allowance) -> Callable[[Connection], list[str]]:
    """How the database finds the row, one plan for each question that a claim asks it."""

    def ask(connection: Connection) -> list[str]:
        asked: list[tuple[str, Any]] = []

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        claim(connection, "slack", LEASE, allowance)
        event.remove(connection, "before_cursor_execute", note)
        dialect = connection.dialect.name
        # with nothing in the table a scan is the cheapest, and says nothing
        connection.exec_driver_sql(NO_SCAN[dialect])
        return [
            "\n".join(
                str(line[-1])
                for line in connection.exec_driver_sql(EXPLAIN[dialect] + statement, parameters)
            )
            for statement, parameters in asked
        ]

    return ask


@pytest.mark.parametrize(
    ("allowance", "questions"),
    [
        (ANYTHING, 3),
        (Allowance(frozenset({Operation.EDIT}), frozenset({Operation.EDIT, Operation.POST})), 2),
        (Allowance(frozenset(), frozenset(Operation)), 3),
    ],
)
async def test_a_claim_sorts_nothing(store: SqlStore, allowance: Allowance, questions: int) -> None:
    """Every question walks the index in its order, whatever the budgets allow."""
    found = await store.write(plans(allowance))
    assert len(found) == questions
    for plan in found:
        assert "outbox_by_turn" in plan
        assert "SORT" not in plan.upper()
        assert "B-TREE" not in plan.upper()
