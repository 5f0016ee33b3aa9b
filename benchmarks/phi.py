"""``phi``: one sample of Φ with three exact derivatives, with every window full."""

from collections.abc import Iterator
from itertools import count

from benchmarks.rounds import calls
from benchmarks.rows import Row, row
from wiltonos_otel.phi import SlidingSlopes, Tracker
from wiltonos_otel.policy import Policy

WINDOWS_MS = (30_000, 60_000, 300_000)
START_MS = 1_795_000_000_000
STEP_MS = 100
FILL = 300_000 // STEP_MS + 1
SAMPLES = 5_000
ROUNDS = 15


def run() -> Iterator[Row]:
    """Every row of the group."""
    slopes, tracker = SlidingSlopes(WINDOWS_MS), Tracker(Policy(), 60_000)
    slope_times, tracker_times = (count(START_MS, STEP_MS) for _ in range(2))

    def sample(samples: int = SAMPLES) -> None:
        for _, time_ms in zip(range(samples), slope_times, strict=False):
            slopes.add(time_ms, 0.75 + (time_ms % 7_919) / 500_000)
            slopes.per_minute(time_ms)

    def track(samples: int = SAMPLES) -> None:
        for _, time_ms in zip(range(samples), tracker_times, strict=False):
            tracker.observe(time_ms, 0.75 + (time_ms % 7_919) / 500_000)

    sample(FILL)
    track(FILL)
    seconds = calls({"sample": sample, "track": track}, rounds=ROUNDS)
    yield row("phi.sample_us", seconds["sample"] / SAMPLES * 1e6)
    yield Row("phi.track_us", seconds["track"] / SAMPLES * 1e6, "us")
