"""Sustained-Good: a share of observed time, in bounded memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.phi import SUSTAINED_GOOD_WINDOWS, SustainedGood

START_MS = 1_795_000_000_000
HOLD_MS = 60_000
SECOND = 1000
FIVE_MINUTES = {"5m": 300}


def _sustained(verdicts: list[bool | None], step_ms: int = SECOND) -> SustainedGood:
    sustained = SustainedGood(HOLD_MS, FIVE_MINUTES)
    for number, good in enumerate(verdicts):
        sustained.observe(START_MS + number * step_ms, good=good)
    return sustained


def test_windows_are_those_of_the_catalogue() -> None:
    """The instrument's labels and the windows computed here are the same table."""
    assert dict(SUSTAINED_GOOD_WINDOWS) == catalogue.SUSTAINED_GOOD_WINDOWS


def test_nothing_is_said_until_half_the_window_is_observed() -> None:
    """149 observed seconds of 300 give no value, 150 give one."""
    sustained = _sustained([True] * 150)
    assert sustained.shares(START_MS + 149 * SECOND) == {}
    assert sustained.shares(START_MS + 150 * SECOND) == {"5m": 1.0}


def test_share_is_weighted_by_time_not_by_samples() -> None:
    """Ten good samples in one second weigh as much as one in one second."""
    sustained = SustainedGood(HOLD_MS, FIVE_MINUTES)
    for second in range(300):
        good = second % 2 == 0
        for part in range(10 if good else 1):
            sustained.observe(START_MS + second * SECOND + part * 100, good=good)
    share = sustained.shares(START_MS + 300 * SECOND)["5m"]
    assert share == pytest.approx(0.5, abs=0.005)


def test_silence_counts_neither_as_good_nor_as_bad() -> None:
    """A gap longer than the hold leaves numerator and denominator alone."""
    sustained = _sustained([True] * 100)
    back_ms = START_MS + 200 * SECOND
    for second in range(41):
        sustained.observe(back_ms + second * SECOND, good=False)
    # 99 s and the hold of 60 s good, 40 s bad, 41 s unobserved
    share = sustained.shares(back_ms + 40 * SECOND)["5m"]
    assert share == pytest.approx(159 / 199, abs=1e-9)


def test_unknown_verdict_is_unobserved() -> None:
    """A sample of which nothing can be said adds to neither side."""
    sustained = _sustained([None] * 100 + [True] * 200)
    assert sustained.shares(START_MS + 300 * SECOND) == {"5m": 1.0}
    assert _sustained([None] * 300).shares(START_MS + 300 * SECOND) == {}


def test_a_silent_source_loses_its_share() -> None:
    """When less than half of the window is still observed, there is no value."""
    sustained = _sustained([True] * 300)
    assert sustained.shares(START_MS + 359 * SECOND) == {"5m": 1.0}
    assert sustained.shares(START_MS + 520 * SECOND) == {}


@given(
    verdicts=st.lists(st.sampled_from([True, False, None]), min_size=200, max_size=700),
    read_every=st.integers(1, 50),
)
@settings(max_examples=60)
def test_share_is_within_one_slot_of_the_exact_one(
    verdicts: list[bool | None], read_every: int
) -> None:
    """However often it is read on the way, the share is the exact one to 1/300."""
    sustained = SustainedGood(HOLD_MS, FIVE_MINUTES)
    for number, good in enumerate(verdicts):
        now_ms = START_MS + number * SECOND
        sustained.observe(now_ms, good=good)
        if number % read_every == 0:
            sustained.shares(now_ms + SECOND // 2)
    inside = verdicts[-300:]
    observed = sum(good is not None for good in inside)
    shares = sustained.shares(START_MS + len(verdicts) * SECOND)
    if observed < 150:
        assert shares == {}
    else:
        assert shares["5m"] == pytest.approx(sum(g is True for g in inside) / observed, abs=1 / 300)


def test_late_sample_takes_back_nothing_that_was_read() -> None:
    """A sample dated before the last reading cannot count one second twice."""
    sustained = _sustained([True] * 200)
    sustained.shares(START_MS + 205 * SECOND)
    sustained.observe(START_MS + 201 * SECOND, good=False)
    sustained.observe(START_MS + 301 * SECOND, good=False)
    observed, good = sustained._windows["5m"].within(START_MS + 301 * SECOND)
    # the bad sample holds from the last reading to 261 s; the window opens at 1 s
    assert (observed, good) == (260 * SECOND, 204 * SECOND)


def test_memory_is_bounded_whatever_the_signal() -> None:
    """A day of flapping ten times a second keeps at most 301 slots per window."""
    sustained = SustainedGood(HOLD_MS)
    for number in range(200_000):
        sustained.observe(START_MS + number * 432, good=number % 2 == 0)
    assert all(len(slots._slots) <= 301 for slots in sustained._windows.values())
    assert sustained.shares(START_MS + 200_000 * 432)["24h"] == pytest.approx(0.5, abs=1e-3)
