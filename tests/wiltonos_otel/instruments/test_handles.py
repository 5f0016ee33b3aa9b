"""Decorators and blocks: what they set and count, and that they change nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from wiltonos_otel import coherence, loop
from wiltonos_otel.testing import Metrics

COLLAPSES = "wiltonos.collapse.operations"


async def test_decorated_functions_set_what_they_return(wiltonos_metrics: Metrics) -> None:
    """Plain and async; names and results stay."""

    @coherence.returned
    def phi() -> float:
        return 0.76

    @loop("breath").returned
    async def breath() -> float:
        await asyncio.sleep(0)
        return 0.71

    assert (phi(), await breath()) == (0.76, 0.71)
    assert (phi.__name__, breath.__name__) == ("phi", "breath")
    assert wiltonos_metrics.value("wiltonos.quantum_coherence.ratio") == 0.76
    assert wiltonos_metrics.value("wiltonos.loop.quantum_coherence", loop="breath") == 0.71


def around(function: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A decorator that is not async itself, as many are."""

    def call() -> Awaitable[None]:
        return function()

    return call


async def test_collapse_behind_another_decorator_counts_when_it_succeeds(
    wiltonos_metrics: Metrics,
) -> None:
    """Not when it begins; one that fails or is stopped is none."""

    @loop("breath").collapses
    @around
    async def reset() -> None:
        await asyncio.sleep(0.001)

    @loop("breath").collapses
    @around
    async def fail() -> None:
        raise ValueError("no")

    await reset()
    with pytest.raises(ValueError, match="no"):
        await fail()
    stopped = asyncio.ensure_future(reset())
    await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert wiltonos_metrics.value(COLLAPSES, loop="breath") == 1


async def test_collapses_are_counted_when_they_succeed(wiltonos_metrics: Metrics) -> None:
    """A hundred tasks at once, and a reset that fails counts nothing."""

    @loop("breath").collapses
    async def reset(*, fail: bool = False) -> None:
        await asyncio.sleep(0)
        if fail:
            raise ValueError("no")

    await asyncio.gather(*(reset() for _ in range(100)))
    with pytest.raises(ValueError, match="no"):
        await reset(fail=True)
    with loop("breath").collapsing():
        await asyncio.sleep(0)
    with pytest.raises(KeyError), loop("breath").collapsing():
        raise KeyError
    assert wiltonos_metrics.value(COLLAPSES, loop="breath") == 101
