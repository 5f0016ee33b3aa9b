"""Oracles of the slope: exact rational arithmetic, and a port of PromQL's own ``deriv``."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

Samples = Sequence[tuple[int, float]]
Slope = Callable[[Samples, int, int], float | None]


def _inside(samples: Samples, now_ms: int, window_ms: int) -> list[tuple[int, float]]:
    return [(t, phi) for t, phi in samples if now_ms - window_ms < t <= now_ms]


def _rational(samples: Samples, now_ms: int, window_ms: int) -> float | None:
    inside = _inside(samples, now_ms, window_ms)
    if len(inside) < 2:
        return None
    n = len(inside)
    xs = [Fraction(t, 60_000) for t, _ in inside]
    ys = [Fraction(phi) for _, phi in inside]
    rise = n * sum(x * y for x, y in zip(xs, ys, strict=True)) - sum(xs) * sum(ys)
    run = n * sum(x * x for x in xs) - sum(xs) ** 2
    return float(rise / run)


class _Neumaier:
    """``kahansum.Inc`` of prometheus/util/kahansum: compensated addition."""

    def __init__(self) -> None:
        self.sum = self.compensation = 0.0

    def add(self, value: float) -> None:
        total = self.sum + value
        if abs(self.sum) >= abs(value):
            self.compensation += (self.sum - total) + value
        else:
            self.compensation += (value - total) + self.sum
        self.sum = total

    def value(self) -> float:
        return self.sum + self.compensation


def _promql(samples: Samples, now_ms: int, window_ms: int) -> float | None:
    """``linearRegression`` of prometheus v3, promql/functions.go, per minute."""
    inside = _inside(samples, now_ms, window_ms)
    if len(inside) < 2:
        return None
    if all(phi == inside[0][1] for _, phi in inside):
        return 0.0
    sums = x, y, xy, xx = [_Neumaier() for _ in range(4)]
    for t, phi in inside:
        seconds = (t - inside[0][0]) / 1e3
        for total, value in zip(sums, (seconds, phi, seconds * phi, seconds**2), strict=True):
            total.add(value)
    n = float(len(inside))
    covariance = xy.value() - x.value() * y.value() / n
    variance = xx.value() - x.value() * x.value() / n
    return covariance / variance * 60


@pytest.fixture(scope="session")
def rational() -> Slope:
    """The slope per minute of (samples, now, window) by exact arithmetic, rounded once."""
    return _rational


@pytest.fixture(scope="session")
def promql() -> Slope:
    """The slope per minute of (samples, now, window) as PromQL's ``deriv`` computes it."""
    return _promql
