"""Simulated signals, one per thing that can happen to Φ. Pure and repeatable per seed."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from random import Random

from wiltonos_otel.policy import Policy

# a scenario is calm, then something happens, then calm again
CALM_SECONDS = 120.0
CYCLE_SECONDS = 420.0
# slow wandering and fast noise of Φ; five deviations of both together stay in a band of ± 0.02
_WANDER = 0.0025
_WANDER_SECONDS = 600.0
_NOISE = 0.0005
_LOOP_WANDER = 0.006
# set-points of the loops relative to the target
_LOOPS = {"attention": 0.0, "breath": -0.03, "memory": 0.02}
_TENSE_LOOP = "memory"
_COLLAPSE_EVERY_SECONDS = 150.0
_TENSION = 0.09


class Scenario(StrEnum):
    """What happens to the signal."""

    CALM = "calm"
    DRIFT = "drift"
    JUMP = "jump"
    OSCILLATION = "oscillation"
    COLLAPSE = "collapse"
    CARELESS = "careless"


@dataclass(frozen=True, slots=True)
class LoopStep:
    """One loop at one step.

    Attributes:
        phi: its Φ.
        phi_star: its set-point.
        collapses: its running total.
    """

    phi: float
    phi_star: float
    collapses: int


@dataclass(frozen=True, slots=True)
class Step:
    """The signal at one moment of the simulation.

    Attributes:
        seconds: simulated time since the start.
        phi: Φ.
        loops: the loops by name.
    """

    seconds: float
    phi: float
    loops: Mapping[str, LoopStep]


def simulate(
    scenario: Scenario,
    *,
    interval_seconds: float = 1.0,
    seed: int = 0,
    policy: Policy | None = None,
) -> Iterator[Step]:
    """The signal of a scenario, without end.

    Args:
        scenario: what happens; ``careless`` is the calm signal (the writer is what is careless).
        interval_seconds: simulated time between two steps, positive.
        seed: the same seed gives the same signal.
        policy: where the target is; the default policy without one.
    """
    rng = Random(seed)
    target = (policy or Policy()).target
    wander = _Wander(rng, interval_seconds)
    loops = {name: _Wander(rng, interval_seconds) for name in _LOOPS}
    for number in count():
        seconds = number * interval_seconds
        moved = _excursion(scenario, seconds) + wander.next(_WANDER) + rng.gauss(0, _NOISE)
        yield Step(
            seconds,
            _share(target + moved),
            {
                name: _loop(scenario, name, seconds, target, loops[name].next(_LOOP_WANDER))
                for name in _LOOPS
            },
        )


class _Wander:
    """An Ornstein-Uhlenbeck process of deviation 1, exact at any step (Gillespie 1996)."""

    def __init__(self, rng: Random, interval_seconds: float) -> None:
        self._rng = rng
        self._keep = math.exp(-interval_seconds / _WANDER_SECONDS)
        self._value = 0.0

    def next(self, deviation: float) -> float:
        step = math.sqrt(1 - self._keep**2) * self._rng.gauss(0, 1)
        # five deviations are a year of calm weather; further out is another scenario
        self._value = max(-5.0, min(5.0, self._value * self._keep + step))
        return deviation * self._value


def _excursion(scenario: Scenario, seconds: float) -> float:
    """How far the scenario moves Φ; continuous except for a jump."""
    since = seconds % CYCLE_SECONDS - CALM_SECONDS
    if since < 0:
        return 0.0
    if scenario is Scenario.DRIFT:
        # 0.06 per minute for 100 s, and as slowly back
        return 0.001 * min(since, 100.0, max(0.0, 270.0 - since))
    if scenario is Scenario.JUMP:
        return 0.05 if since < 120.0 else 0.0
    if scenario is Scenario.OSCILLATION:
        swing = (CYCLE_SECONDS - CALM_SECONDS) / 2
        return 0.04 * math.sin(math.tau * since / swing)
    return 0.0


def _loop(
    scenario: Scenario, name: str, seconds: float, target: float, wandered: float
) -> LoopStep:
    star = target + _LOOPS[name]
    if scenario is not Scenario.COLLAPSE or name != _TENSE_LOOP:
        return LoopStep(_share(star + wandered), round(star, 6), 0)
    collapses, since = divmod(seconds, _COLLAPSE_EVERY_SECONDS)
    tension = _TENSION * since / _COLLAPSE_EVERY_SECONDS
    return LoopStep(_share(star - tension + wandered / 4), round(star, 6), int(collapses))


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 6)
