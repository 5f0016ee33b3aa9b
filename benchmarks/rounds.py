"""Interleaved rounds: what is compared is measured in turns, so that a busy moment hits all."""

import gc
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from timeit import Timer
from typing import Any

Medians = dict[str, float]


def statements(
    variants: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    number: int,
    rounds: int,
    before: Callable[[], object],
) -> Medians:
    """Median CPU seconds of one execution of each statement.

    Args:
        variants: a statement and its globals, by name.
        number: executions in a round.
        rounds: how often each is measured.
        before: called before each measurement, untimed.
    """
    timers = {
        name: Timer(statement, "before()", time.thread_time, {**given, "before": before})
        for name, (statement, given) in variants.items()
    }
    medians = _interleave(
        {name: partial(timer.timeit, number) for name, timer in timers.items()}, rounds
    )
    return {name: seconds / number for name, seconds in medians.items()}


def calls(variants: Mapping[str, Callable[[], object]], *, rounds: int) -> Medians:
    """Median CPU seconds of one call of each, after one call that does not count."""
    for call in variants.values():
        call()
    return _interleave({name: partial(_cpu, call) for name, call in variants.items()}, rounds)


def _interleave(variants: Mapping[str, Callable[[], float]], rounds: int) -> Medians:
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            seconds[name].append(measure())
    return {name: median(values) for name, values in seconds.items()}


def _cpu(call: Callable[[], object]) -> float:
    # nobody pays for another one's garbage
    gc.collect()
    start = time.thread_time()
    call()
    return time.thread_time() - start
