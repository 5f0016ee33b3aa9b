"""When to try again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from notifier.deliver.backoff import Backoff


@given(st.integers(-5, 10**6), st.integers())
def test_a_delay_is_between_floor_and_cap(attempts: int, seed: int) -> None:
    """Never a hammering, never a wait beyond the cap, whatever the count."""
    backoff = Backoff(base_seconds=1.0, cap_seconds=60.0, floor_seconds=0.2)
    assert 0.2 <= backoff.delay(attempts, random.Random(seed)) <= 60.0


def test_delays_grow_and_are_spread() -> None:
    """The mean doubles until the cap, and no two senders move together."""
    backoff, rng = Backoff(base_seconds=1.0, cap_seconds=64.0, floor_seconds=0.0), random.Random(1)
    means = [sum(backoff.delay(n, rng) for _ in range(400)) / 400 for n in (1, 3, 5, 20)]
    assert means == sorted(means)
    assert 28 < means[-1] < 36
    assert len({backoff.delay(4, rng) for _ in range(20)}) == 20


def test_an_outage_alone_does_not_exhaust() -> None:
    """Both the attempts and the age have to be used up."""
    backoff = Backoff(give_up_attempts=3, give_up_seconds=60)
    assert not backoff.exhausted(100, 59)
    assert not backoff.exhausted(2, 10**6)
    assert backoff.exhausted(3, 60)
