"""The ledger on a real SQLite file."""

import os
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from wiltonos_otel.longevity.database import LedgerBusyError, LedgerError, open_engine
from wiltonos_otel.longevity.dose import FieldError, NewDose, Unit, convert
from wiltonos_otel.longevity.entries import Query
from wiltonos_otel.longevity.ledger import OVERFLOW_LABEL, Ledger, NoSuchDoseError
from wiltonos_otel.longevity.schema import METADATA

if TYPE_CHECKING:
    from tests.wiltonos_otel.longevity.conftest import SettableClock


def a_dose(compound: str = "resveratrol", amount: str = "500", **more: int | None) -> NewDose:
    """A dose in mg."""
    return NewDose(compound, convert(Decimal(amount), "mg"), **more)  # type: ignore[arg-type]


def counts(ledger: Ledger) -> dict[str, int]:
    """The counter by label."""
    return {stream.label: stream.count for stream in ledger.streams()}


def test_a_dose_is_kept_as_it_was_given(ledger: Ledger) -> None:
    """Amount, unit and the way it was given come back exactly."""
    new = NewDose("nmn", convert(Decimal("0.1"), "g"), notes="before breakfast")
    dose, replayed = ledger.record(new)
    assert not replayed
    assert ledger.get(dose.id) == dose
    assert (dose.amount, dose.unit) == (Decimal(100), Unit.MILLIGRAM)
    assert (dose.given_amount, dose.given_unit) == (Decimal("0.1"), "g")


def test_a_diary_outlives_its_process(url: str, clock: "SettableClock") -> None:
    """What was recorded is there after closing and opening again."""
    with Ledger(url, clock) as ledger:
        dose, _ = ledger.record(a_dose())
    with Ledger(url, clock) as ledger:
        assert ledger.get(dose.id) == dose
        assert counts(ledger) == {"resveratrol": 1}


def test_the_same_key_records_once(ledger: Ledger) -> None:
    """A repeated request gets the first answer; another dose under its key is refused."""
    first, _ = ledger.record(a_dose(), "k")
    again, replayed = ledger.record(a_dose(), "k")
    assert (again, replayed) == (first, True)
    with pytest.raises(FieldError) as caught:
        ledger.record(a_dose(amount="400"), "k")
    assert caught.value.field == "Idempotency-Key"
    assert counts(ledger) == {"resveratrol": 1}


def test_a_withdrawal_starts_a_new_stream(ledger: Ledger, clock: "SettableClock") -> None:
    """The counter ends and begins again at zero, at the time of the withdrawal."""
    for _ in range(3):
        ledger.record(a_dose())
    clock.ms += 1000
    dose, again = ledger.withdraw(2, "typing error")
    assert not again
    assert (dose.withdrawn_ms, dose.withdrawn_reason) == (clock.ms, "typing error")
    (stream,) = ledger.streams()
    assert (stream.count, stream.started_ms) == (0, clock.ms)
    ledger.record(a_dose())
    assert counts(ledger) == {"resveratrol": 1}
    (total,) = ledger.totals()
    assert (total.doses, total.amount) == (3, Decimal(1500))


def test_withdrawing_twice_changes_nothing(ledger: Ledger, clock: "SettableClock") -> None:
    """The second withdrawal starts no further stream."""
    ledger.record(a_dose())
    ledger.withdraw(1)
    ledger.record(a_dose())
    clock.ms += 1000
    assert ledger.withdraw(1)[1]
    assert counts(ledger) == {"resveratrol": 1}


def test_a_correction_counts_no_second_dose(ledger: Ledger) -> None:
    """A corrected amount replaces the entry; the counter starts anew and does not rise."""
    ledger.record(a_dose(amount="5000"))
    corrected, _ = ledger.record(a_dose(amount="500", corrects=1))
    assert ledger.get(1).corrected_by == corrected.id
    assert ledger.get(1).withdrawn_ms is not None
    assert counts(ledger) == {"resveratrol": 0}
    assert [dose.id for dose in ledger.find(Query())] == [corrected.id]


def test_a_corrected_compound_counts_where_it_belongs(ledger: Ledger) -> None:
    """A dose that moves to another compound counts there."""
    ledger.record(a_dose("resveratrol"))
    ledger.record(a_dose("quercetin", corrects=1))
    assert counts(ledger) == {"resveratrol": 0, "quercetin": 1}


@pytest.mark.parametrize("corrects", [1, 7])
def test_only_a_standing_dose_can_be_corrected(ledger: Ledger, corrects: int) -> None:
    """Neither a withdrawn nor an unknown dose can be replaced, and nothing is written."""
    ledger.record(a_dose())
    ledger.withdraw(1)
    with pytest.raises(FieldError) as caught:
        ledger.record(a_dose(corrects=corrects))
    assert caught.value.field == "corrects"
    assert len(ledger.find(Query(withdrawn=True))) == 1


def test_there_is_no_other_dose(ledger: Ledger) -> None:
    """Asking for, or withdrawing, an id that was never given is an error."""
    with pytest.raises(NoSuchDoseError):
        ledger.get(1)
    with pytest.raises(NoSuchDoseError):
        ledger.withdraw(1)


def test_pages_follow_each_other_without_gap(ledger: Ledger) -> None:
    """Going from cursor to cursor meets every dose once, newest first, also at equal times."""
    for taken in (5, 3, 3, 3, 9, 1):
        ledger.record(a_dose(taken_ms=taken * 1000))
    seen: list[tuple[int, int]] = []
    before = None
    while page := ledger.find(Query(limit=2, before=before)):
        seen += [(dose.taken_ms, dose.id) for dose in page]
        before = seen[-1]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 6


def test_a_list_can_be_narrowed(ledger: Ledger) -> None:
    """By compound, by time, and to what stands."""
    ledger.record(a_dose("a", taken_ms=1000))
    ledger.record(a_dose("a", taken_ms=2000))
    ledger.record(a_dose("b", taken_ms=3000))
    ledger.withdraw(2)
    assert [x.id for x in ledger.find(Query(compound="a"))] == [1]
    assert [x.id for x in ledger.find(Query(compound="a", withdrawn=True))] == [2, 1]
    assert [x.id for x in ledger.find(Query(since_ms=3000))] == [3]


def test_too_many_compounds_share_a_label(url: str, clock: "SettableClock") -> None:
    """The number of series is bounded; a compound keeps the label that it once got."""
    with Ledger(url, clock, max_labels=2) as ledger:
        for compound in ("a", "b", "c", "d", "a"):
            ledger.record(a_dose(compound))
        assert counts(ledger) == {"a": 2, "b": 1, OVERFLOW_LABEL: 2}
    with Ledger(url, clock, max_labels=9) as ledger:
        ledger.record(a_dose("c"))
        assert counts(ledger)[OVERFLOW_LABEL] == 3
        assert {total.compound for total in ledger.totals()} == {"a", "b", "c", "d"}


def test_one_process_has_the_diary(url: str, clock: "SettableClock", ledger: Ledger) -> None:
    """A second one is refused, and told who holds it."""
    with pytest.raises(LedgerBusyError, match=str(os.getpid())):
        Ledger(url, clock)
    ledger.record(a_dose())


def test_the_diary_only_grows(ledger: Ledger) -> None:
    """The file itself refuses to change or forget an entry."""
    ledger.record(a_dose())
    ledger.withdraw(1)
    with sqlite3.connect(ledger.file) as raw:
        for statement in (
            "UPDATE doses SET amount = '1'",
            "DELETE FROM withdrawals",
            "DELETE FROM doses",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                raw.execute(statement)
    raw.close()


def test_a_commit_survives_a_power_cut(ledger: Ledger) -> None:
    """The file is written ahead, and each commit reaches the disk before it is answered."""
    with ledger._engine.connect() as connection:
        modes = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert modes == ["wal", 2, 1]


def test_health_data_is_for_its_owner(ledger: Ledger) -> None:
    """No other user of the machine can read the diary."""
    ledger.record(a_dose())
    assert ledger.file.parent.stat().st_mode & 0o077 == 0
    for file in ledger.file.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_the_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    """What alembic makes and what the queries use are the same tables."""
    engine = open_engine(tmp_path / "x.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


@pytest.mark.parametrize(
    "wrong", ["postgresql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"]
)
def test_an_address_that_is_no_file_is_refused(wrong: str, clock: "SettableClock") -> None:
    """The diary lives in a file; anything else is one line."""
    with pytest.raises(LedgerError, match=r"sqlite:///var/longevity\.db"):
        Ledger(wrong, clock)


def test_a_file_that_is_no_diary_is_left_alone(tmp_path: Path, clock: "SettableClock") -> None:
    """Somebody else's file is named, not overwritten, and not kept locked."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but somebody's notes " * 200)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"notes\.txt cannot be opened"):
            Ledger(f"sqlite:///{file}", clock)
    assert file.read_text().startswith("not a database")


def test_a_newer_diary_is_left_alone(url: str, clock: "SettableClock") -> None:
    """A file of a later version is not touched."""
    with Ledger(url, clock) as ledger, sqlite3.connect(ledger.file) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(LedgerError, match="newer version"):
        Ledger(url, clock)


class _Bookkeeping(RuleBasedStateMachine):
    """The ledger against a plain list."""

    compounds = st.sampled_from(["a", "b", "c"])

    make: ClassVar[Callable[[], Ledger]]

    def __init__(self) -> None:
        super().__init__()
        self.ledger = type(self).make()
        self.standing: dict[int, str] = {}
        self.count: dict[str, int] = {}

    @rule(compound=compounds)
    def record(self, compound: str) -> None:
        dose, _ = self.ledger.record(a_dose(compound))
        self.standing[dose.id] = compound
        self.count[compound] = self.count.get(compound, 0) + 1

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if self.standing:
            identity = data.draw(st.sampled_from(sorted(self.standing)))
            self.ledger.withdraw(identity)
            self.count[self.standing.pop(identity)] = 0

    @rule(data=st.data(), compound=compounds)
    def correct(self, data: st.DataObject, compound: str) -> None:
        if self.standing:
            identity = data.draw(st.sampled_from(sorted(self.standing)))
            old = self.standing.pop(identity)
            dose, _ = self.ledger.record(a_dose(compound, corrects=identity))
            self.standing[dose.id] = compound
            self.count[compound] = self.count.get(compound, 0) + 1
            self.count[old] = 0

    @invariant()
    def agrees(self) -> None:
        assert counts(self.ledger) == self.count
        listed = {dose.id: dose.compound for dose in self.ledger.find(Query())}
        assert listed == self.standing
        assert sum(total.doses for total in self.ledger.totals()) == len(self.standing)

    def teardown(self) -> None:
        self.ledger.close()


def test_the_books_agree_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, clock: "SettableClock"
) -> None:
    """After any sequence of entries, counter, list and sums agree with plain bookkeeping."""

    def make() -> Ledger:
        return Ledger(f"sqlite:///{tmp_path_factory.mktemp('books')}/l.db", clock)

    run_state_machine_as_test(
        type("Bookkeeping", (_Bookkeeping,), {"make": staticmethod(make)}),
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
