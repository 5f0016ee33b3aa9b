"""The simulator: repeatable, and each scenario does what it says under the default policy."""

from itertools import islice, pairwise

import pytest

from wiltonos_otel.phi import Band, Tracker, classify
from wiltonos_otel.policy import STEER_WINDOW_SECONDS, Policy
from wiltonos_otel.sources.simulate import CALM_SECONDS, CYCLE_SECONDS, Scenario, Step, simulate

POLICY = Policy()
START_MS = 1_795_000_000_000
DAY_SECONDS = 86_400


def _pressures(steps: list[Step]) -> list[float]:
    return [abs(loop.phi - loop.phi_star) for step in steps for loop in step.loops.values()]


def _longest(flags: list[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _steep(steps: list[Step]) -> list[bool]:
    """Whether the 60 s slope exceeds the limit, once its window is filled."""
    tracker = Tracker(POLICY, 60_000)
    steep = []
    for step in steps:
        time_ms = START_MS + round(step.seconds * 1000)
        assert tracker.observe(time_ms, step.phi) is None
        slope = tracker._slopes.per_minute(time_ms)[tracker._steer] or 0.0
        full = step.seconds >= STEER_WINDOW_SECONDS
        steep.append(full and abs(slope) > POLICY.max_rate_per_minute)
    return steep


def _take(scenario: Scenario, seconds: float, seed: int = 0) -> list[Step]:
    return list(islice(simulate(scenario, seed=seed), round(seconds)))


@pytest.mark.parametrize("scenario", Scenario)
def test_same_seed_gives_the_same_signal(scenario: Scenario) -> None:
    """A scenario can be repeated exactly, and another seed gives another signal."""
    assert _take(scenario, 300, seed=3) == _take(scenario, 300, seed=3)
    assert _take(scenario, 300, seed=3) != _take(scenario, 300, seed=4)


def test_a_calm_day_gives_no_reason_for_any_alert() -> None:
    """24 hours: always in band, slope within the limit, no jump, every loop near its set-point."""
    steps = _take(Scenario.CALM, DAY_SECONDS)
    assert all(classify(step.phi, POLICY) is Band.IN for step in steps)
    assert not any(_steep(steps))
    assert max(_pressures(steps)) < POLICY.loop_pressure_limit
    spread = max(step.phi for step in steps) - min(step.phi for step in steps)
    assert spread < POLICY.max_jump


@pytest.mark.parametrize("scenario", [Scenario.DRIFT, Scenario.OSCILLATION])
def test_movement_exceeds_the_rate_for_longer_than_the_hold(scenario: Scenario) -> None:
    """Drift and oscillation are what Soft-Steer is for."""
    steep = _steep(_take(scenario, CYCLE_SECONDS))
    assert not any(steep[: round(CALM_SECONDS)])
    assert _longest(steep) > POLICY.rate_hold_seconds


def test_jump_leaves_the_band_in_one_step_and_stays() -> None:
    """The jump is one step beyond the limit, and long enough for the band's alert."""
    steps = _take(Scenario.JUMP, CYCLE_SECONDS)
    at = round(CALM_SECONDS)
    assert steps[at].phi - steps[at - 1].phi > POLICY.max_jump
    outside = [classify(step.phi, POLICY) is not Band.IN for step in steps]
    assert _longest(outside) > POLICY.band_hold_seconds


def test_drift_leaves_the_band_and_comes_back() -> None:
    """One cycle ends where it began."""
    outside = [classify(s.phi, POLICY) is not Band.IN for s in _take(Scenario.DRIFT, CYCLE_SECONDS)]
    assert _longest(outside) > POLICY.band_hold_seconds
    assert not outside[-1]


def test_collapse_resets_a_loop_whose_pressure_grew() -> None:
    """Pressure exceeds the limit, a collapse counts, and the pressure is gone; Φ stays calm."""
    steps = _take(Scenario.COLLAPSE, 400)
    memory = [step.loops["memory"] for step in steps]
    assert memory[-1].collapses == 2
    for before, after in pairwise(memory):
        if after.collapses > before.collapses:
            assert abs(before.phi - before.phi_star) > POLICY.loop_pressure_limit
            assert abs(after.phi - after.phi_star) < POLICY.loop_pressure_limit / 2
    assert all(classify(step.phi, POLICY) is Band.IN for step in steps)


def test_shorter_steps_show_the_same_world() -> None:
    """The interval changes how often one looks, not how the signal behaves."""
    fast = list(islice(simulate(Scenario.CALM, interval_seconds=0.1), 36_000))
    slow = list(islice(simulate(Scenario.CALM, interval_seconds=10), 36_000))
    for steps in (fast, slow):
        assert all(classify(step.phi, POLICY) is Band.IN for step in steps)
