"""Doses as values: compound names, exact unit conversion, times. Pure.

A compound's name becomes a metric label and an amount becomes a histogram observation, so both
are brought into one form here, and everything that cannot be is refused with its field and fix.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

from wiltonos_otel.errors import WiltonosError

DISCLAIMER = "A diary and a statistics exercise; no medical device, no medical advice."

COMPOUND_LENGTH = 64
NOTES_LENGTH = 2000
# 15 significant digits survive the way through a JSON number (IEEE 754 binary64)
AMOUNT_DIGITS = 15
AMOUNT_PLACES = 9
LARGEST_AMOUNT = Decimal(100_000_000)
# how far a careless clock may run ahead
FUTURE_MS = 5 * 60 * 1000

# control characters and lone surrogates
_UNPRINTABLE = ("Cc", "Cs")
_PUNCTUATION = frozenset(" -_.+/'(),")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class FieldError(WiltonosError, ValueError):
    """A field of a dose is wrong.

    Attributes:
        field: the name of the field.
        problem: what is wrong with it.
        fix: what to give instead.
    """

    def __init__(self, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{field}: {problem}; {fix}")
        self.field, self.problem, self.fix = field, problem, fix


class Unit(Enum):
    """The units that a diary keeps; the values are metric labels."""

    MILLIGRAM = "mg"
    INTERNATIONAL_UNIT = "IU"


# the micro sign after NFKC is the Greek letter
_MICRO = "\N{GREEK SMALL LETTER MU}g"
# spelling in lower case -> unit kept, the exact factor to it, the spelling that we answer with
_UNITS: dict[str, tuple[Unit, Decimal, str]] = {
    "mg": (Unit.MILLIGRAM, Decimal(1), "mg"),
    "g": (Unit.MILLIGRAM, Decimal(1000), "g"),
    "mcg": (Unit.MILLIGRAM, Decimal("0.001"), "µg"),
    "ug": (Unit.MILLIGRAM, Decimal("0.001"), "µg"),
    _MICRO: (Unit.MILLIGRAM, Decimal("0.001"), "µg"),
    "iu": (Unit.INTERNATIONAL_UNIT, Decimal(1), "IU"),
    "ui": (Unit.INTERNATIONAL_UNIT, Decimal(1), "IU"),
}


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in a unit that the diary keeps, and what it was given as.

    Attributes:
        value: exact, positive, in ``unit``.
        unit: mg or IU.
        given_value: the number as it was given.
        given_unit: the unit as it was given, in its plain spelling.
    """

    value: Decimal
    unit: Unit
    given_value: Decimal
    given_unit: str

    @property
    def converted(self) -> bool:
        """Whether the diary keeps another unit than the one given."""
        return self.given_unit != self.unit.value


@dataclass(frozen=True, slots=True)
class NewDose:
    """A dose that is well-formed and not yet recorded.

    Attributes:
        compound: normalised name.
        amount: how much.
        taken_ms: Unix milliseconds; None = when it is recorded.
        notes: free text, never exported.
        corrects: id of the dose that this one replaces, or None.
    """

    compound: str
    amount: Amount
    taken_ms: int | None = None
    notes: str = ""
    corrects: int | None = None


def normalise_compound(text: str) -> str:
    """One spelling for each compound: NFKC, lower case, single spaces. Idempotent.

    Raises:
        FieldError: it is empty, too long, or holds a character that a label should not.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    name = " ".join(folded.split())
    if not name:
        raise FieldError("compound", "is empty", 'give a name, for example "resveratrol"')
    if len(name) > COMPOUND_LENGTH:
        raise FieldError(
            "compound",
            f"has {len(name)} characters",
            f"use at most {COMPOUND_LENGTH}; longer remarks belong into notes",
        )
    bad = next((character for character in name if not _fits(character)), None)
    if bad is not None or not name[0].isalnum():
        raise FieldError(
            "compound",
            f"holds {_show(bad or name[0])}",
            "start with a letter or digit and use letters, digits, spaces and - _ . + / ' ( ) ,",
        )
    return name


def _fits(character: str) -> bool:
    return (
        character.isalnum()
        or character in _PUNCTUATION
        or unicodedata.category(character) in ("Mn", "Mc")
    )


def _show(character: str) -> str:
    """A character that a person can read even where a terminal would obey it."""
    return f"{character!r} (U+{ord(character):04X})"


def convert(value: Decimal, unit: str, field: str = "amount") -> Amount:
    """Bring an amount to mg or IU without rounding.

    Args:
        value: the number.
        unit: mg, g, µg, mcg, ug, IU or UI, in any case.
        field: the field that carries the number, for the message.

    Raises:
        FieldError: the unit is unknown, or the number is not positive, too large or too fine.
    """
    known = _UNITS.get(unicodedata.normalize("NFKC", unit.strip()).lower())
    if known is None:
        raise FieldError("unit", f"{unit[:20]!r} is unknown", "use mg, g or µg (kept as mg), or IU")
    kept, factor, spelling = known
    _check_number(value, field)
    result = _plain(value * factor)
    if result > LARGEST_AMOUNT:
        raise FieldError(
            field, f"{value:g} {unit} is too much", f"use at most {LARGEST_AMOUNT:,} {kept.value}"
        )
    if _places(result) > AMOUNT_PLACES:
        raise FieldError(
            field,
            f"{value:g} {unit} is finer than the diary keeps",
            f"use at most {AMOUNT_PLACES} decimals of a {kept.value}",
        )
    return Amount(result, kept, _plain(value), spelling)


def _check_number(value: Decimal, field: str) -> None:
    if not value.is_finite() or value <= 0:
        raise FieldError(field, f"{value} is not above 0", "give a positive number")
    # before any arithmetic, so that the decimal context can neither round nor overflow
    if abs(value.adjusted()) > 2 * AMOUNT_DIGITS:
        raise FieldError(field, "is out of any range", f"use at most {LARGEST_AMOUNT:,}")
    digits = "".join(map(str, value.as_tuple().digits)).rstrip("0")
    if len(digits) > AMOUNT_DIGITS:
        raise FieldError(
            field,
            f"has {len(digits)} significant digits",
            f"round it to {AMOUNT_DIGITS} digits",
        )


def _plain(value: Decimal) -> Decimal:
    """The same number without an exponent and without zeros at the end of its decimals."""
    sign, digits, exponent = value.as_tuple()
    places = int(exponent)
    if places > 0:
        return Decimal((sign, digits + (0,) * places, 0))
    while places < 0 and len(digits) > 1 and digits[-1] == 0:
        digits, places = digits[:-1], places + 1
    return Decimal((sign, digits, places))


def _places(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))


def parse_time(text: str, field: str) -> int:
    """Unix milliseconds of an RFC 3339 time.

    Raises:
        FieldError: it is no such time.
    """
    fix = 'write it as "2026-11-23T17:00:00Z"'
    if not _RFC3339.fullmatch(text):
        raise FieldError(field, f"{text[:40]!r} is no RFC 3339 time", fix)
    try:
        return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise FieldError(field, f"{text[:40]!r} is no time that exists", fix) from None


def check_taken(taken_ms: int, now_ms: int) -> int:
    """The time itself when it can be: not before 1900 and not in the future.

    Raises:
        FieldError: it cannot.
    """
    if taken_ms > now_ms + FUTURE_MS:
        raise FieldError(
            "taken_at",
            f"{format_time(taken_ms)} is in the future",
            "record a dose once it is taken",
        )
    if taken_ms < _EARLIEST_MS:
        raise FieldError("taken_at", "is before 1900", "check the year")
    return taken_ms


def format_time(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def check_notes(text: str, field: str = "notes") -> str:
    """The text itself when it can be kept.

    Raises:
        FieldError: it is too long, or holds a control character or a broken surrogate.
    """
    if len(text) > NOTES_LENGTH:
        fix = f"use at most {NOTES_LENGTH}"
        raise FieldError(field, f"has {len(text)} characters", fix)
    bad = next(
        (c for c in text if c not in "\n\t" and unicodedata.category(c) in _UNPRINTABLE), None
    )
    if bad is not None:
        raise FieldError(field, f"holds {_show(bad)}", "use printable text")
    return text


_EARLIEST_MS = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1000
