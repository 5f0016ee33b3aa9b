"""What the diary holds, as values. Times are Unix milliseconds. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from wiltonos_otel.longevity.dose import Unit

# entries on a page, when nobody says how many
PAGE = 100
# the largest integer that every JSON reader keeps (RFC 8259, section 6)
LARGEST_ID = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Dose:
    """A recorded dose. Times are Unix milliseconds.

    Attributes:
        id: position in the diary, never used twice.
        recorded_ms: when it was written down.
        taken_ms: when it was taken.
        compound: normalised name.
        label: the metric label that it counts under.
        amount: exact, in ``unit``.
        unit: mg or IU.
        given_amount: the number as it was given.
        given_unit: the unit as it was given.
        notes: free text.
        corrects: id of the dose that it replaces, or None.
        withdrawn_ms: when it was withdrawn or corrected, or None while it stands.
        withdrawn_reason: why.
        corrected_by: id of the dose that replaces it, or None.
    """

    id: int
    recorded_ms: int
    taken_ms: int
    compound: str
    label: str
    amount: Decimal
    unit: Unit
    given_amount: Decimal
    given_unit: str
    notes: str
    corrects: int | None
    withdrawn_ms: int | None
    withdrawn_reason: str
    corrected_by: int | None


@dataclass(frozen=True, slots=True)
class Stream:
    """What the doses counter of one label says.

    Attributes:
        label: the compound, or the overflow label.
        count: doses since the stream started.
        started_ms: the first dose, or the last withdrawal: a stream never falls, it ends.
    """

    label: str
    count: int
    started_ms: int


@dataclass(frozen=True, slots=True)
class Total:
    """What stands in the diary for one compound and unit.

    Attributes:
        compound: normalised name.
        unit: mg or IU.
        doses: how many.
        amount: their exact sum.
        last_taken_ms: when the latest of them was taken.
    """

    compound: str
    unit: Unit
    doses: int
    amount: Decimal
    last_taken_ms: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which doses to list, newest first.

    Attributes:
        compound: normalised name, or None for all.
        since_ms: taken at or after.
        limit: how many at most.
        before: the position (taken_ms, id) after which to go on, or None.
        withdrawn: whether to show what no longer stands.
    """

    compound: str | None = None
    since_ms: int | None = None
    limit: int = PAGE
    before: tuple[int, int] | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What one recorded dose adds to the metrics.

    Attributes:
        label: the compound, or the overflow label.
        unit: mg or IU.
        amount: exact, in ``unit``.
        recorded_ms: when it was written down.
    """

    label: str
    unit: Unit
    amount: Decimal
    recorded_ms: int
