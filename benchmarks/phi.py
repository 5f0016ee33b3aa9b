"""``phi``: one sample of Φ with three exact derivatives, with every window full.

Beside it the usual way: PromQL's formula over the samples of one window of 60, at every sample. The
loop that hands the samples out is measured as well, and taken off: whoever has a sample has it.
"""

from collections import deque
from collections.abc import Collection, Iterator
from itertools import count, islice

from benchmarks.rounds import calls
from benchmarks.rows import Row, row
from wiltonos_otel.phi import SlidingSlopes, Tracker
from wiltonos_otel.policy import Policy

WINDOWS_MS = (30_000, 60_000, 300_000)
START_MS = 1_795_000_000_000
STEP_MS = 100
SAMPLES = 5_000
WARM_UP = 300_000 // STEP_MS // SAMPLES + 1
BATCH, BATCHES = 60, 200
ROUNDS = 15


def run(rounds: int = ROUNDS) -> Iterator[Row]:
    """Every row of the group."""
    slopes, tracker = SlidingSlopes(WINDOWS_MS), Tracker(Policy(), 60_000)
    # one list a round, made before any is timed
    prepared = _samples(rounds + WARM_UP + 1)
    sampled, tracked, handed = iter(prepared), iter(prepared), iter(prepared)

    def sample() -> None:
        add = slopes.add
        for time_ms, phi in next(sampled):
            add(time_ms, phi)

    def track() -> None:
        observe = tracker.observe
        for time_ms, phi in next(tracked):
            observe(time_ms, phi)

    def loop() -> None:
        for _time_ms, _phi in next(handed):
            pass

    window = deque([(i * 1000, 0.75 + i % 7 / 500) for i in range(BATCH)], BATCH)

    def batch() -> None:
        for i in range(BATCHES):
            window.append((window[-1][0] + 1000, 0.75 + i % 7 / 500))
            _regression(window)

    for _ in range(WARM_UP):
        sample()
        track()
    measured = {"sample": sample, "track": track, "batch": batch, "loop": loop}
    seconds = calls(measured, rounds=rounds)
    one = (seconds["sample"] - seconds["loop"]) / SAMPLES
    yield row("phi.sample_us", one * 1e6)
    yield Row("phi.sample_vs_batch_regression", one / (seconds["batch"] / BATCHES), "ratio")
    yield Row("phi.track_us", (seconds["track"] - seconds["loop"]) / SAMPLES * 1e6, "us")


def _samples(lists: int) -> list[list[tuple[int, float]]]:
    times = count(START_MS, STEP_MS)
    return [[(t, 0.75 + t % 7_919 / 500_000) for t in islice(times, SAMPLES)] for _ in range(lists)]


def _regression(window: Collection[tuple[int, float]]) -> float:
    """The slope per second of one window (prometheus, promql/functions.go, linearRegression)."""
    n = len(window)
    origin = next(iter(window))[0]
    sum_x = sum_y = sum_xy = sum_xx = 0.0
    for time_ms, y in window:
        x = (time_ms - origin) / 1000
        sum_x += x
        sum_y += y
        sum_xy += x * y
        sum_xx += x * x
    return (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
