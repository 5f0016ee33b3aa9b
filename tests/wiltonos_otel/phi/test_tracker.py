"""The fold: what the exporter says after each sequence of samples."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.phi import Band, Refusal, Tracker
from wiltonos_otel.policy import Policy

START_MS = 1_795_000_000_000
STALE_MS = 60_000
HOUR_MS = 3_600_000


@pytest.fixture
def tracker() -> Tracker:
    """A fresh fold with the default policy."""
    return Tracker(Policy(), STALE_MS)


def test_before_the_first_sample_there_is_nothing(tracker: Tracker) -> None:
    """No value is invented, and Φ was never seen."""
    snapshot = tracker.snapshot(START_MS)
    assert (snapshot.phi, snapshot.band, snapshot.time_ms) == (None, None, None)
    assert (snapshot.derivatives, snapshot.sustained_good, snapshot.loops) == ({}, {}, {})
    assert not snapshot.ever_seen


def test_a_steady_signal_is_in_band_flat_and_good(tracker: Tracker) -> None:
    """Three minutes at the target: slope zero in every window, all observed time good."""
    for second in range(181):
        assert tracker.observe(START_MS + second * 1000, 0.75) is None
    snapshot = tracker.snapshot(START_MS + 180_000)
    assert snapshot.phi == 0.75
    assert snapshot.band is Band.IN
    assert snapshot.derivatives == {30: 0.0, 60: 0.0, 300: 0.0}
    assert snapshot.sustained_good == {"5m": 1.0}


@pytest.mark.parametrize(("rate_per_minute", "share"), [(0.039, 1.0), (0.041, 0.0)])
def test_movement_inside_the_band_must_be_smooth(rate_per_minute: float, share: float) -> None:
    """A ramp within a wide band is good below the rate limit and not good above it."""
    tracker = Tracker(Policy(tolerance=0.2), STALE_MS)
    for second in range(201):
        tracker.observe(START_MS + second * 1000, 0.6 + rate_per_minute * second / 60)
    assert tracker.snapshot(START_MS + 200_000).sustained_good == {"5m": share}


@pytest.mark.parametrize("age_ms", [STALE_MS, STALE_MS + 1, 10 * HOUR_MS])
def test_gone_means_gone(tracker: Tracker, age_ms: int) -> None:
    """A stale source leaves no gauge behind; that it was seen, and when, stays known."""
    for second in range(200):
        tracker.observe(START_MS + second * 1000, 0.75)
    tracker.observe_loop("breath", START_MS + 199_000, 0.7, collapses=2)
    last_ms = START_MS + 199_000
    assert tracker.snapshot(last_ms + STALE_MS - 1).phi == 0.75
    snapshot = tracker.snapshot(last_ms + age_ms)
    assert (snapshot.phi, snapshot.band) == (None, None)
    assert (snapshot.derivatives, snapshot.sustained_good) == ({}, {})
    assert (snapshot.time_ms, snapshot.ever_seen) == (last_ms, True)
    loop = snapshot.loops["breath"]
    assert (loop.phi, loop.pressure, loop.collapses) == (None, None, 2)


def test_a_stale_source_comes_back_with_the_next_sample(tracker: Tracker) -> None:
    """Recovery needs nothing but a good sample."""
    tracker.observe(START_MS, 0.75)
    tracker.observe(START_MS + HOUR_MS, 0.8)
    snapshot = tracker.snapshot(START_MS + HOUR_MS)
    assert (snapshot.phi, snapshot.band) == (0.8, Band.ABOVE)


@pytest.mark.parametrize(
    ("time_ms", "phi", "now_ms", "reason"),
    [
        (START_MS, 0.75, None, Refusal.REPEATED),
        (START_MS - 1, 0.75, None, Refusal.BACKWARDS),
        (START_MS + 1, float("nan"), None, Refusal.NON_FINITE),
        (START_MS + 1, 1.5, None, Refusal.OUT_OF_RANGE),
        (START_MS + 60_001, 0.75, START_MS, Refusal.FUTURE),
    ],
)
def test_refused_sample_keeps_the_last_good_one(
    tracker: Tracker, time_ms: int, phi: float, now_ms: int | None, reason: Refusal
) -> None:
    """Each refusal has its name and leaves everything as it was."""
    tracker.observe(START_MS, 0.75)
    tracker.observe_loop("breath", START_MS, 0.75)
    before = tracker.snapshot(START_MS)
    assert tracker.observe(time_ms, phi, now_ms) is reason
    assert tracker.observe_loop("breath", time_ms, phi, now_ms=now_ms) is reason
    assert tracker.snapshot(START_MS) == before


def test_a_clock_set_back_by_an_hour_is_followed_at_once(tracker: Tracker) -> None:
    """Samples that the corrected clock puts in the future no longer stand in the way."""
    ahead_ms = START_MS + HOUR_MS
    tracker.observe(ahead_ms, 0.9, ahead_ms)
    tracker.observe_loop("breath", ahead_ms, 0.9, now_ms=ahead_ms)
    assert tracker.snapshot(START_MS).phi is None
    assert tracker.observe(START_MS, 0.75, START_MS) is None
    assert tracker.observe_loop("breath", START_MS, 0.75, now_ms=START_MS) is None
    snapshot = tracker.snapshot(START_MS)
    assert (snapshot.phi, snapshot.loops["breath"].phi) == (0.75, 0.75)


def test_set_point_defaults_to_the_target(tracker: Tracker) -> None:
    """A loop without its own Φ★ is measured against the target."""
    tracker.observe_loop("own", START_MS, 0.6, phi_star=0.5)
    tracker.observe_loop("plain", START_MS, 0.6)
    loops = tracker.snapshot(START_MS).loops
    assert loops["own"].pressure == 0.1
    assert loops["plain"].pressure == 0.15


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_collapses_never_fall_and_resets_lose_nothing(totals: list[int]) -> None:
    """The exported total is the first reading plus every rise, a restart counting from zero."""
    tracker = Tracker(Policy(), STALE_MS)
    seen = []
    for number, total in enumerate(totals):
        tracker.observe_loop("breath", START_MS + number, 0.75, collapses=total)
        seen.append(tracker.snapshot(START_MS + number).loops["breath"].collapses)
    rises = [b - a if b >= a else b for a, b in pairwise(totals)]
    assert seen == [totals[0] + sum(rises[:number]) for number in range(len(totals))]


def test_collapses_while_nobody_was_reading_count(tracker: Tracker) -> None:
    """The first reading brings the writer's whole total, without claiming to know when."""
    tracker.observe_loop("breath", START_MS, 0.75, collapses=5)
    loop = tracker.snapshot(START_MS).loops["breath"]
    assert (loop.collapses, loop.last_collapse_ms) == (5, None)
    tracker.observe_loop("breath", START_MS + 1000, 0.75, collapses=6)
    assert tracker.snapshot(START_MS).loops["breath"].last_collapse_ms == START_MS + 1000


def test_reading_without_a_total_leaves_the_count_alone(tracker: Tracker) -> None:
    """A file that leaves ``collapses`` out once is not a restart."""
    tracker.observe_loop("breath", START_MS, 0.75, collapses=5)
    tracker.observe_loop("breath", START_MS + 1, 0.75)
    tracker.observe_loop("breath", START_MS + 2, 0.75, collapses=7)
    assert tracker.snapshot(START_MS).loops["breath"].collapses == 7


def test_collapses_told_one_by_one_add_up(tracker: Tracker) -> None:
    """An instrumented service counts without files, before any sample of the loop."""
    tracker.collapsed("breath", 0)
    tracker.collapsed("breath")
    tracker.collapsed("breath", 2, time_ms=START_MS)
    loop = tracker.snapshot(START_MS).loops["breath"]
    assert (loop.collapses, loop.phi, loop.last_collapse_ms) == (3, None, START_MS)
    with pytest.raises(ValueError, match="never falls"):
        tracker.collapsed("breath", -1)


def test_negative_total_and_bad_set_point_are_refused(tracker: Tracker) -> None:
    """A sample with an impossible part is refused whole."""
    refused = tracker.observe_loop("breath", START_MS, 0.75, collapses=-1)
    assert refused is Refusal.BAD_COLLAPSES
    assert tracker.observe_loop("breath", START_MS, 0.75, phi_star=7) is Refusal.OUT_OF_RANGE
    assert tracker.snapshot(START_MS).loops == {}


def test_a_forgotten_loop_starts_anew(tracker: Tracker) -> None:
    """After forgetting, the series is gone and its count with it."""
    tracker.observe_loop("breath", START_MS, 0.75, collapses=5)
    tracker.forget_loop("breath")
    tracker.forget_loop("breath")
    assert tracker.snapshot(START_MS).loops == {}
