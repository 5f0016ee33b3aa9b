"""The one place where ``wiltonos_otel`` asks what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock and monotonic time; tests bring their own."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean something."""
        ...


class SystemClock:
    """The time of this machine."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()
