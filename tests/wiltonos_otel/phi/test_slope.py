"""The slope: exact, windowed like PromQL, never drifting."""

import random
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wiltonos_otel.phi import Refusal, SlidingSlope, SlidingSlopes

START_MS = 1_795_000_000_000
MINUTE_MS = 60_000
WINDOWS_MS = (30_000, 60_000, 300_000)

Samples = list[tuple[int, float]]
Slope = Callable[[Samples, int, int], float | None]

shares = st.floats(0, 1)
# the usual three, in any order, and other numbers of them
windows = st.permutations(WINDOWS_MS).map(tuple) | st.sampled_from(
    [(60_000,), (60_000, 1), (1000, 60_000, 90_000, 600_000)]
)
gaps = st.integers(1, 40_000) | st.integers(290_000, 310_000) | st.sampled_from([30_000, 60_000])


def _series(gap_ms: st.SearchStrategy[int]) -> st.SearchStrategy[Samples]:
    def timed(steps: list[tuple[int, float]]) -> Samples:
        times = accumulate((gap for gap, _ in steps), initial=START_MS)
        return [(t, phi) for t, (_, phi) in zip(times, steps, strict=False)]

    return st.lists(st.tuples(gap_ms, shares), min_size=1, max_size=40).map(timed)


def _filled(samples: Samples, windows_ms: tuple[int, ...] = WINDOWS_MS) -> SlidingSlopes:
    slopes = SlidingSlopes(windows_ms)
    for time_ms, phi in samples:
        assert slopes.add(time_ms, phi) == slopes.per_minute(time_ms)
    return slopes


@given(samples=_series(gaps), later=st.integers(0, 320_000), windows=windows)
@settings(max_examples=300)
def test_every_window_equals_exact_arithmetic(
    rational: Slope, samples: Samples, later: int, windows: tuple[int, ...]
) -> None:
    """Whatever the values, gaps and windows, the slope is the nearest double to the truth."""
    now = samples[-1][0] + later
    expected = tuple(rational(samples, now, window) for window in windows)
    assert _filled(samples, windows).per_minute(now) == expected


@given(samples=_series(gaps), windows=windows)
def test_slope_at_every_sample_equals_exact_arithmetic(
    rational: Slope, samples: Samples, windows: tuple[int, ...]
) -> None:
    """Not only the last sample: none of them finds a wrong slope or leaves one behind."""
    slopes = SlidingSlopes(windows)
    for number, (now, phi) in enumerate(samples, start=1):
        expected = tuple(rational(samples[:number], now, window) for window in windows)
        assert slopes.add(now, phi) == expected
        assert slopes.per_minute(now) == expected


@given(samples=_series(st.integers(1000, 40_000)))
def test_slope_agrees_with_promql(promql: Slope, samples: Samples) -> None:
    """PromQL's ``deriv`` over the same samples differs by its rounding only."""
    now = samples[-1][0]
    for window, slope in zip(WINDOWS_MS, _filled(samples).per_minute(now), strict=True):
        expected = promql(samples, now, window)
        assert slope == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(phi=shares, gaps=st.lists(gaps, min_size=2, max_size=30))
def test_constant_signal_has_slope_zero(phi: float, gaps: list[int]) -> None:
    """A constant is exactly flat, whatever its value."""
    slopes = _filled([(t, phi) for t in accumulate(gaps, initial=START_MS)])
    assert {s for s in slopes.per_minute(slopes.newest_ms or 0) if s is not None} <= {0.0}


def test_no_drift_after_a_million_updates(rational: Slope) -> None:
    """After 10⁶ samples of eleven days every slope still equals exact arithmetic."""
    rng = random.Random(7)
    slopes = SlidingSlopes(WINDOWS_MS)
    recent: list[tuple[int, float]] = []
    now = START_MS
    for number in range(1_000_000):
        now += 997 + (number & 7)
        phi = 0.75 + rng.uniform(-0.02, 0.02)
        slopes.add(now, phi)
        if number >= 999_600:
            recent.append((now, phi))
    assert slopes.per_minute(now) == tuple(rational(recent, now, w) for w in WINDOWS_MS)


def test_weeks_between_few_samples_stay_exact(rational: Slope) -> None:
    """A process that lives for weeks begins its time anew now and then, unnoticed."""
    slopes = SlidingSlopes(WINDOWS_MS)
    samples = [(START_MS + i * 299_000, 0.7 + i % 97 / 1000) for i in range(5000)]
    for number, (now, phi) in enumerate(samples, start=1):
        slopes.add(now, phi)
        recent = samples[max(0, number - 3) : number]
        assert slopes.per_minute(now) == tuple(rational(recent, now, w) for w in WINDOWS_MS)
    assert slopes.newest_ms == samples[-1][0]
    assert slopes._times[-1] < 14 * 24 * 3_600_000 < samples[-1][0] - START_MS


def test_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    """A sample exactly one window old is outside; one at the time of reading is inside."""
    slope = SlidingSlope(30_000)
    slope.add(START_MS, 0.5)
    slope.add(START_MS + 15_000, 0.6)
    assert slope.per_minute(START_MS + 29_999) == pytest.approx(0.4)
    assert slope.per_minute(START_MS + 30_000) is None


def test_a_silent_source_loses_its_slope_on_reading() -> None:
    """Reading alone moves the window on, so no slope outlives its samples."""
    slope = SlidingSlope(MINUTE_MS)
    for second in range(10):
        slope.add(START_MS + second * 1000, 0.5 + second / 100)
    assert slope.per_minute(START_MS + 9_000) == pytest.approx(0.6)
    assert slope.per_minute(START_MS + 69_000) is None


def test_fewer_than_two_samples_have_no_slope() -> None:
    """No sample and one sample give no value rather than zero."""
    slope = SlidingSlope(MINUTE_MS)
    assert slope.per_minute(START_MS) is None
    slope.add(START_MS, 0.75)
    assert slope.per_minute(START_MS) is None


def test_a_reader_behind_the_writer_reads_at_the_newest_sample() -> None:
    """A writer's clock that runs ahead of the reader's does not hide its slope."""
    slope = SlidingSlope(MINUTE_MS)
    slope.add(START_MS, 0.74)
    slope.add(START_MS + MINUTE_MS // 2, 0.75)
    assert slope.per_minute(START_MS - 5_000) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("time_ms", "phi", "reason"),
    [
        (START_MS, 0.75, Refusal.REPEATED),
        (START_MS - 1, 0.75, Refusal.BACKWARDS),
        (START_MS + 1, float("nan"), Refusal.NON_FINITE),
        (START_MS + 1, float("inf"), Refusal.NON_FINITE),
        (START_MS + 1, -1e-300, Refusal.OUT_OF_RANGE),
        (START_MS + 1, 1.0000000000000002, Refusal.OUT_OF_RANGE),
    ],
)
def test_refused_sample_changes_nothing(time_ms: int, phi: float, reason: Refusal) -> None:
    """A sample that cannot follow is refused by name and leaves the slope as it was."""
    slope = SlidingSlope(MINUTE_MS)
    slope.add(START_MS - 30_000, 0.74)
    slope.add(START_MS, 0.75)
    before = slope.per_minute(START_MS)
    assert slope.add(time_ms, phi) is reason
    assert slope.per_minute(START_MS) == before


@pytest.mark.parametrize("tiny", [5e-324, 2.0**-1022, 1e-20, 0.001])
def test_values_below_the_fast_scale_stay_exact(rational: Slope, tiny: float) -> None:
    """Even the smallest doubles enter the sums unrounded."""
    samples = [
        (START_MS, 0.75),
        (START_MS + 1000, tiny),
        (START_MS + 2000, 0.3),
        (START_MS + 3500, tiny),
    ]
    now = samples[-1][0]
    assert _filled(samples).per_minute(now) == tuple(rational(samples, now, w) for w in WINDOWS_MS)


def test_memory_is_bounded_by_the_longest_window() -> None:
    """A long run keeps no more samples than the window and a constant hold."""
    slopes = SlidingSlopes((1000, 5000))
    for number in range(50_000):
        slopes.add(START_MS + number * 10, 0.75)
    assert len(slopes._sums) < 6000


def test_windows_must_be_positive() -> None:
    """A window without length is refused where it is named."""
    with pytest.raises(ValueError, match="windows_ms"):
        SlidingSlope(0)
