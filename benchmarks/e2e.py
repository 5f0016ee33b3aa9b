"""``e2e``: through the real Collector, Prometheus and Alertmanager, where they are built.

A state file that is written until Prometheus answers with the value; a jump of Φ until both chats
show it, less the time that the rule is meant to wait.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from benchmarks.pipeline import STEADY, Pipeline, running
from benchmarks.rows import Row, row
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.native import installed

# so many that the 99th percentile is no single sample
CHANGES = 200
EXCURSIONS = 4
JUMP = 0.06
# the rule compares with the median of the 30 s before
SETTLE_SECONDS = 45.0
PATIENCE_SECONDS = 30.0


def run() -> Iterator[Row]:
    """Every row of the group; none where the native stack is not built."""
    if installed() is None:
        print("e2e: the native stack is not built; run: wt metrics build", file=sys.stderr)
        return
    found = asyncio.run(_measure())
    seen, shown = sorted(found.seen), sorted(found.shown)
    yield row("e2e.file_to_prometheus_p99_s", _quantile(seen, 0.99))
    yield row("e2e.excursion_to_chat_p95_s", _quantile(shown, 0.95))
    yield Row("e2e.file_to_prometheus_p50_s", _quantile(seen, 0.5), "s")
    yield Row("e2e.excursion_to_chat_p50_s", _quantile(shown, 0.5), "s")


@dataclass(frozen=True, slots=True)
class _Found:
    seen: list[float]
    shown: list[float]


async def _measure() -> _Found:
    async with running() as pipeline:
        seen = [await _seconds_to_prometheus(pipeline, index) for index in range(CHANGES)]
        shown = [seconds async for seconds in _excursions(pipeline)]
    return _Found(seen, shown)


async def _seconds_to_prometheus(pipeline: Pipeline, index: int) -> float:
    # at no fixed moment of anybody's interval
    await asyncio.sleep(random.uniform(0, 1))
    phi = STEADY + index / 100_000
    pipeline.write(phi)
    start = time.monotonic()
    while await pipeline.phi() != phi:
        _check_patience(start, f"Φ = {phi} in Prometheus")
        await asyncio.sleep(0.02)
    return time.monotonic() - start


async def _excursions(pipeline: Pipeline) -> AsyncIterator[float]:
    hold = Policy().jump_hold_seconds
    for _ in range(EXCURSIONS):
        await pipeline.hold_steady(SETTLE_SECONDS + random.uniform(0, 10))
        start = pipeline.slack.clock.monotonic()
        began = time.monotonic()
        waiting = {"slack", "discord"}
        last = start
        while waiting:
            _check_patience(began, f"the jump in {', '.join(sorted(waiting))}")
            pipeline.write(STEADY + JUMP)
            await asyncio.sleep(0.25)
            for chat, messages in pipeline.chats().items():
                versions = [version.at for message in messages for version in message.history]
                if chat in waiting and (later := [at for at in versions if at > start]):
                    waiting.discard(chat)
                    last = max(last, min(later))
        yield last - start - hold


def _check_patience(start: float, what: str) -> None:
    if time.monotonic() - start > PATIENCE_SECONDS:
        raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
