"""Asks again until something is so, or a time is over."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.05


def poll(ask: Callable[[], T | None], seconds: float) -> T | None:
    """The first answer that is not None; None when ``seconds`` are over."""
    deadline = time.monotonic() + seconds
    while (answer := ask()) is None and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return answer
