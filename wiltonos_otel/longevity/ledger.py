"""The diary: an append-only ledger of doses, with corrections and withdrawals as later entries."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from wiltonos_otel.clock import Clock
from wiltonos_otel.longevity import queries
from wiltonos_otel.longevity.database import LedgerError, Lock, database_file, open_engine
from wiltonos_otel.longevity.dose import FieldError, NewDose
from wiltonos_otel.longevity.entries import Dose, Observation, Query, Stream, Total
from wiltonos_otel.longevity.schema import DOSES, WITHDRAWALS

# so many compounds get a metric label of their own; the rest share one
MAX_LABELS = 200
# no compound can be called so: a name starts with a letter or digit
OVERFLOW_LABEL = "_other"


class NoSuchDoseError(LedgerError):
    """There is no dose with this id."""


class Ledger:
    """The diary in an SQLite file that only this process has open. For one thread at a time.

    Args:
        url: ``sqlite:///`` and the path of the file.
        clock: tells when something is written down.
        max_labels: how many compounds get a metric label of their own.

    Raises:
        LedgerError: the file is in use, no diary, or cannot be written.
    """

    def __init__(self, url: str, clock: Clock, *, max_labels: int = MAX_LABELS) -> None:
        self.file = database_file(url)
        self._clock = clock
        self._max_labels = max_labels
        self._lock = Lock(self.file)
        try:
            self._engine = open_engine(self.file)
        except LedgerError:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others open it."""
        self._engine.dispose()
        self._lock.release()

    def record(self, new: NewDose, key: str | None = None) -> tuple[Dose, bool]:
        """Write a dose down, durably; the same idempotency key writes it once.

        Returns:
            The dose, and whether it was already there under this key.

        Raises:
            FieldError: ``corrects`` names no standing dose, or the key belongs to another dose.
            LedgerError: the file cannot be written.
        """
        digest = _digest(new)
        with self._transaction() as connection:
            if key is not None and (old := queries.by_key(connection, key)) is not None:
                identity, old_digest = old
                if old_digest != digest:
                    raise FieldError(
                        "Idempotency-Key",
                        f"{key!r} belongs to dose {identity}, which is another one",
                        "take a new key for a new dose",
                    )
                return self._get(connection, identity), True
            corrected = self._correctable(connection, new.corrects)
            identity = self._insert(connection, new, key, digest)
            if corrected is not None:
                self._withdraw(connection, corrected, f"corrected by {identity}", identity)
            return self._get(connection, identity), False

    def withdraw(self, identity: int, reason: str = "") -> tuple[Dose, bool]:
        """Take a dose back; the entry stays and says so. Again changes nothing.

        Returns:
            The dose, and whether it was withdrawn before.

        Raises:
            NoSuchDoseError: there is no such dose.
            LedgerError: the file cannot be written.
        """
        with self._transaction() as connection:
            dose = self._get(connection, identity)
            if dose.withdrawn_ms is not None:
                return dose, True
            newest = connection.execute(select(func.max(DOSES.c.id))).scalar_one()
            self._withdraw(connection, dose, reason, newest)
            return self._get(connection, identity), False

    def get(self, identity: int) -> Dose:
        """The dose with this id.

        Raises:
            NoSuchDoseError: there is none.
        """
        with self._transaction() as connection:
            return self._get(connection, identity)

    def find(self, query: Query) -> list[Dose]:
        """The doses that match, by the time they were taken, newest first."""
        with self._transaction() as connection:
            return queries.find(connection, query)

    def totals(self) -> list[Total]:
        """Exact sums of what stands, by compound and unit."""
        with self._transaction() as connection:
            return queries.totals(connection)

    def streams(self) -> list[Stream]:
        """The doses counter, rebuilt: for each label the doses since its last withdrawal."""
        with self._transaction() as connection:
            return queries.streams(connection)

    def observations(self) -> list[Observation]:
        """Every dose ever recorded, withdrawn or not, in the order of recording."""
        with self._transaction() as connection:
            return queries.observations(connection)

    def check(self) -> None:
        """Take the write lock and let it go.

        Raises:
            LedgerError: the file cannot be written now.
        """
        with self._transaction():
            pass

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise LedgerError(f"{self.file} cannot be used: {error.orig}") from None

    def _insert(self, connection: Connection, new: NewDose, key: str | None, digest: str) -> int:
        now_ms = self._clock.now_ms()
        result = connection.execute(
            DOSES.insert().values(
                recorded_ms=now_ms,
                taken_ms=now_ms if new.taken_ms is None else new.taken_ms,
                compound=new.compound,
                label=self._label(connection, new.compound),
                amount=str(new.amount.value),
                unit=new.amount.unit.value,
                given_amount=str(new.amount.given_value),
                given_unit=new.amount.given_unit,
                notes=new.notes,
                corrects=new.corrects,
                idempotency_key=key,
                request_digest=digest,
            )
        )
        identity = result.inserted_primary_key
        assert identity is not None
        return int(identity[0])

    def _label(self, connection: Connection, compound: str) -> str:
        known = select(DOSES.c.label).where(DOSES.c.compound == compound).limit(1)
        label = connection.execute(known).scalar()
        if label is not None:
            return str(label)
        taken = select(func.count(DOSES.c.label.distinct())).where(DOSES.c.label != OVERFLOW_LABEL)
        labels = int(connection.execute(taken).scalar_one())
        return compound if labels < self._max_labels else OVERFLOW_LABEL

    def _withdraw(self, connection: Connection, dose: Dose, reason: str, after: int) -> None:
        connection.execute(
            WITHDRAWALS.insert().values(
                dose_id=dose.id,
                withdrawn_ms=self._clock.now_ms(),
                reason=reason,
                label=dose.label,
                stream_after=after,
            )
        )

    def _get(self, connection: Connection, identity: int) -> Dose:
        dose = queries.by_id(connection, identity)
        if dose is None:
            raise NoSuchDoseError(f"there is no dose {identity}; list them to see which there are")
        return dose

    def _correctable(self, connection: Connection, identity: int | None) -> Dose | None:
        if identity is None:
            return None
        dose = queries.by_id(connection, identity)
        if dose is None:
            raise FieldError("corrects", f"there is no dose {identity}", "give the id of a dose")
        if dose.withdrawn_ms is not None:
            raise FieldError(
                "corrects",
                f"dose {identity} no longer stands: {dose.withdrawn_reason or 'withdrawn'}",
                "correct the one that replaced it, or record a new dose",
            )
        return dose


def _digest(new: NewDose) -> str:
    """Tells whether two requests ask for the same dose."""
    text = json.dumps(
        [
            new.compound,
            str(new.amount.value),
            new.amount.unit.value,
            new.taken_ms,
            new.notes,
            new.corrects,
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()
