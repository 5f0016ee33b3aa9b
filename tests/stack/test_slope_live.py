"""Our slope and ``deriv`` of the real Prometheus, on samples that both see."""

import random
import time

import pytest

from tests.stack.conftest import NativeStack, gauge_request, push, wait_until
from wiltonos_otel.phi import SlidingSlopes

pytestmark = pytest.mark.stack

NAME = "wiltonos.quantum_coherence.ratio"
SELECTOR = 'wiltonos_quantum_coherence_ratio{instance="slope"}'
WINDOWS_SECONDS = (30, 60, 300)
SETTLE_SECONDS = 20.0
SECONDS_PER_MINUTE = 60
# PromQL computes with doubles: each of its sums is rounded at 2**-53 of a value near n·w/2 and
# divided by n·w²/12, which over 30 s is some 1e-14 per minute
ROUNDING_PER_MINUTE = 1e-13


def _samples(newest_ms: int) -> list[tuple[int, float]]:
    """Seven minutes of a Φ that wanders, at uneven times."""
    rng = random.Random(7)
    times = sorted(rng.sample(range(newest_ms - 420_000, newest_ms), 400))
    phi, samples = 0.75, []
    for time_ms in times:
        phi = min(1.0, max(0.0, phi + rng.gauss(0, 0.004)))
        samples.append((time_ms, phi))
    return samples


def _deriv(stack: NativeStack, window_seconds: int, time_ms: int) -> float | None:
    """PromQL's slope of the window that ends at a moment, per minute."""
    at = f"{time_ms / 1000:.3f}"
    found = stack.query(f"deriv({SELECTOR}[{window_seconds}s] @ {at})")
    return float(found[0]["value"][1]) * SECONDS_PER_MINUTE if found else None


def test_slope_equals_deriv_of_prometheus(native_stack: NativeStack) -> None:
    """At any moment, also with the window half empty, both differ by PromQL's rounding only."""
    samples = _samples(time.time_ns() // 1_000_000)
    push(native_stack.otlp_url, gauge_request(NAME, dict(samples), instance="slope"))
    counted = f"count_over_time({SELECTOR}[15m])"
    wait_until(
        lambda: [each["value"][1] for each in native_stack.query(counted)] == [str(len(samples))],
        SETTLE_SECONDS,
        "all samples to be stored",
    )
    slopes = SlidingSlopes([seconds * 1000 for seconds in WINDOWS_SECONDS])
    compared = 0
    for number, (time_ms, phi) in enumerate(samples):
        slopes.add(time_ms, phi)
        if number % 40:
            continue
        for window, ours in zip(WINDOWS_SECONDS, slopes.per_minute(time_ms), strict=True):
            theirs = _deriv(native_stack, window, time_ms)
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert ours == pytest.approx(theirs, rel=0, abs=ROUNDING_PER_MINUTE)
                compared += ours != 0
    assert compared >= 25
