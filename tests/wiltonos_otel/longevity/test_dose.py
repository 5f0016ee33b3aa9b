"""Compound names, units and times."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.longevity.dose import (
    AMOUNT_DIGITS,
    AMOUNT_PLACES,
    LARGEST_AMOUNT,
    FieldError,
    Unit,
    check_notes,
    check_taken,
    convert,
    format_time,
    normalise_compound,
    parse_time,
)

NOW_MS = 1_795_462_297_979
FACTORS = {
    "mg": Fraction(1),
    "g": Fraction(1000),
    "µg": Fraction(1, 1000),
    "mcg": Fraction(1, 1000),
    "IU": Fraction(1),
}


@given(
    st.decimals(min_value="0.000001", max_value="100000", places=6),
    st.sampled_from(sorted(FACTORS)),
)
def test_conversion_is_exact(value: Decimal, unit: str) -> None:
    """What the diary keeps equals the given number times the unit's factor, as fractions."""
    amount = convert(value, unit)
    assert Fraction(amount.value) == Fraction(value) * FACTORS[unit]
    assert Fraction(amount.given_value) == Fraction(value)


@given(st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(sorted(FACTORS)))
def test_an_accepted_amount_is_within_its_bounds(value: Decimal, unit: str) -> None:
    """Any number is either kept exactly and survives JSON, or refused."""
    try:
        amount = convert(value, unit)
    except FieldError:
        return
    assert 0 < amount.value <= LARGEST_AMOUNT
    assert Decimal(repr(float(amount.value))) == amount.value
    assert len(format(amount.value, "f").partition(".")[2]) <= AMOUNT_PLACES


@given(st.text(max_size=80))
def test_a_normal_name_stays_as_it_is(text: str) -> None:
    """Normalising twice is normalising once, and the result is fit for a label."""
    try:
        name = normalise_compound(text)
    except FieldError:
        return
    assert normalise_compound(name) == name
    assert name.encode("utf-8")
    assert name[0].isalnum()


@pytest.mark.parametrize(
    "spelling",
    ["Resveratrol", "  RESVERATROL ", "resveratrol\n", "ｒｅｓｖｅｒａｔｒｏｌ"],  # noqa: RUF001 - full-width on purpose
)
def test_spellings_of_one_compound_are_one(spelling: str) -> None:
    """Case, white space and width make no second compound."""
    assert normalise_compound(spelling) == "resveratrol"


@pytest.mark.parametrize("name", ["coenzima q10", "ácido alfa-lipóico", "vitamin d3 + k2", "5-htp"])
def test_usual_names_are_taken(name: str) -> None:
    """Names with accents, digits and signs are names."""
    assert normalise_compound(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "a\x1b[31m", "a\u202eb", "a\x00", "<b>x</b>", "_other", "x" * 65, 'a"b', "a\ud800"],
)
def test_names_that_no_label_should_carry_are_refused(name: str) -> None:
    """Control characters, markup, our overflow label and long texts are refused."""
    with pytest.raises(FieldError) as caught:
        normalise_compound(name)
    assert caught.value.field == "compound"
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "unit", "kept", "kept_unit", "given_unit"),
    [
        ("500", "mg", "500", Unit.MILLIGRAM, "mg"),
        ("0.5", "g", "500", Unit.MILLIGRAM, "g"),
        ("0.1", " G ", "100", Unit.MILLIGRAM, "g"),
        ("25", "µg", "0.025", Unit.MILLIGRAM, "µg"),
        ("25", "μg", "0.025", Unit.MILLIGRAM, "µg"),
        ("25", "mcg", "0.025", Unit.MILLIGRAM, "µg"),
        ("2e3", "ui", "2000", Unit.INTERNATIONAL_UNIT, "IU"),
        ("2000.00", "IU", "2000", Unit.INTERNATIONAL_UNIT, "IU"),
    ],
)
def test_units_become_mg_or_iu(
    value: str, unit: str, kept: str, kept_unit: Unit, given_unit: str
) -> None:
    """Each spelling of a unit leads to one of two, and what was given is remembered."""
    amount = convert(Decimal(value), unit)
    assert (str(amount.value), amount.unit, amount.given_unit) == (kept, kept_unit, given_unit)


@pytest.mark.parametrize(
    ("value", "unit", "field"),
    [
        ("1", "kg", "unit"),
        ("1", "", "unit"),
        ("0", "mg", "amount"),
        ("-1", "mg", "amount"),
        ("NaN", "mg", "amount"),
        ("Infinity", "mg", "amount"),
        ("1e999999", "mg", "amount"),
        ("1e-999999", "mg", "amount"),
        ("100000.1", "g", "amount"),
        ("0.0000001", "µg", "amount"),
        ("1." + "1" * AMOUNT_DIGITS, "mg", "amount"),
    ],
)
def test_amounts_that_cannot_be_are_refused(value: str, unit: str, field: str) -> None:
    """Unknown units and numbers that are not positive, too large or too fine are refused."""
    with pytest.raises(FieldError) as caught:
        convert(Decimal(value), unit)
    assert caught.value.field == field


@given(st.integers(min_value=-2_208_988_800_000, max_value=NOW_MS))
def test_a_time_survives_its_text(ms: int) -> None:
    """Writing a time as RFC 3339 and reading it again changes nothing."""
    assert parse_time(format_time(ms), "taken_at") == ms


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T18:31:37.979+01:00", "2026-11-23 17:31:37.979z", "2026-11-23T17:31:37.979Z"],
)
def test_offsets_and_letter_case_name_the_same_moment(text: str) -> None:
    """RFC 3339 in each of its forms is understood."""
    assert format_time(parse_time(text, "taken_at")) == "2026-11-23T17:31:37.979Z"


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-23", "2026-11-23T17:00:00", "2026-02-30T00:00:00Z", "1795462297"],
)
def test_what_is_no_rfc_3339_time_is_refused(text: str) -> None:
    """A time without an offset, a date or a number is no moment."""
    with pytest.raises(FieldError) as caught:
        parse_time(text, "since")
    assert caught.value.field == "since"


def test_a_dose_is_not_taken_in_the_future() -> None:
    """A clock may run five minutes ahead, not more; the century must be plausible."""
    assert check_taken(NOW_MS + 60_000, NOW_MS)
    for wrong in (NOW_MS + 600_000, parse_time("1800-01-01T00:00:00Z", "taken_at")):
        with pytest.raises(FieldError):
            check_taken(wrong, NOW_MS)


@pytest.mark.parametrize("text", ["x" * 2001, "bell\x07", "half\ud800"])
def test_notes_are_text(text: str) -> None:
    """Notes that a terminal would obey, or that no file can hold, are refused."""
    with pytest.raises(FieldError):
        check_notes(text)
    assert check_notes("two\nlines\tand 💊")
