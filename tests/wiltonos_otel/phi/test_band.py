"""The band and the pressure: the same literals as the alert rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.phi import Band, classify, pressure
from wiltonos_otel.policy import Policy

POLICY = Policy()


@pytest.mark.parametrize(
    ("phi", "band"),
    [
        (0.73, Band.IN),
        (0.77, Band.IN),
        (0.7299999999999999, Band.BELOW),
        (0.7700000000000001, Band.ABOVE),
        (0.0, Band.BELOW),
        (1.0, Band.ABOVE),
    ],
)
def test_both_edges_belong_to_the_band(phi: float, band: Band) -> None:
    """0.73 and 0.77 are well, the next double beyond either is not."""
    assert classify(phi, POLICY) is band


@given(st.floats(0, 1))
def test_page_and_rule_never_disagree(phi: float) -> None:
    """Being in the band is exactly the negation of the rule's expression."""
    alarmed = phi > POLICY.band_high or phi < POLICY.band_low
    assert (classify(phi, POLICY) is not Band.IN) == alarmed


@pytest.mark.parametrize(("phi", "star", "expected"), [(0.7, 0.75, 0.05), (0.8, 0.75, 0.05)])
def test_pressure_at_the_limit_does_not_exceed_it(phi: float, star: float, expected: float) -> None:
    """0.70 and 0.80 are exactly 0.05 from 0.75, although their binary differences are not."""
    assert pressure(phi, star) == expected
