"""One at a time, the urgent ones first, and whoever hangs holds the others up for a moment only."""

import asyncio
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest

from notifier.dispatch.gate import HANG_SECONDS, Gate, Turn
from notifier.testing.virtual import LoopClock, run_virtually


@dataclass(frozen=True, slots=True)
class Post:
    """Somebody who wants a turn.

    Attributes:
        comes: when, in seconds.
        takes: for how long it posts.
        urgent: whether it may go before others.
    """

    comes: float
    takes: float
    urgent: bool = False


def begins(*posts: Post) -> list[float]:
    """When each of them begins."""

    async def run() -> list[float]:
        clock = LoopClock()
        gate = Gate(clock)

        async def one(post: Post) -> float:
            await clock.sleep(post.comes)
            with gate.turn() as turn:
                await turn.take(urgent=post.urgent)
                began = clock.monotonic()
                await clock.sleep(post.takes)
            return began

        return list(await asyncio.gather(*map(one, posts)))

    return run_virtually(run())


def test_one_after_another() -> None:
    """Each begins where the one before ends; who comes later waits for nobody."""
    assert begins(Post(0, 1), Post(0, 1), Post(0, 1), Post(10, 1)) == [0, 1, 2, 10]


def test_urgent_ones_go_first() -> None:
    """Before those who have waited longer, in their own order."""
    posts = Post(0, 1), Post(0.1, 1), Post(0.2, 1, urgent=True), Post(0.3, 1, urgent=True)
    assert begins(*posts) == [0, 3, 1, 2]


def test_one_that_hangs_holds_the_others_up_for_a_moment_only() -> None:
    """The next one begins beside it, and the one after waits for both or for that moment."""
    hangs = Post(0, 100)
    expected = [0, HANG_SECONDS, HANG_SECONDS + 1, 2 * HANG_SECONDS + 1]
    assert begins(hangs, Post(0, 1), Post(0, 100), Post(0, 1)) == expected


def test_a_turn_that_is_given_back_can_be_taken_again() -> None:
    """Somebody else goes in between."""

    async def run() -> tuple[bool, bool, bool]:
        gate = Gate(LoopClock())
        with gate.turn() as turn, gate.turn() as other:
            first = await turn.take(urgent=False)
            again = await turn.take(urgent=False)
            turn.end()
            await other.take(urgent=False)
            other.end()
            return first, again, await turn.take(urgent=False)

    assert run_virtually(run()) == (True, False, True)


def test_who_gives_up_waiting_keeps_nobody_waiting() -> None:
    """A cancelled one leaves the line."""

    async def run() -> float:
        clock = LoopClock()
        gate = Gate(clock)
        with gate.turn() as held:
            await held.take(urgent=False)
            waiting = asyncio.create_task(gate.turn().take(urgent=True))
            await clock.sleep(0.5)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            held.end()
            with gate.turn() as other:
                await other.take(urgent=False)
        return clock.monotonic()

    assert run_virtually(run()) == 0.5


def test_where_nobody_waits_a_turn_is_free() -> None:
    """A chat that can be asked has no line."""

    async def run() -> bool:
        with Turn() as turn:
            return await turn.take(urgent=False)

    assert run_virtually(run()) is False


@pytest.mark.parametrize("seed", range(20))
def test_never_two_that_do_not_hang(seed: int) -> None:
    """Whoever comes when: between two beginnings lies the shorter of a post and the moment."""
    rng = random.Random(seed)
    posts = [
        Post(rng.uniform(0, 20), rng.choice([0.1, 1.0, 50.0]), rng.random() < 0.3)
        for _ in range(30)
    ]
    began = sorted(zip(begins(*posts), (post.takes for post in posts), strict=True))
    for (first, takes), (second, _) in pairwise(began):
        assert second - first >= min(takes, HANG_SECONDS) - 1e-6
