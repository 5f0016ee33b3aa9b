"""The limiters that the fakes enforce: models of what Slack and Discord do."""

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """A token bucket: ``burst`` at once, then ``per_second``.

    Slack: "one message per second per channel, short bursts allowed".
    """

    burst: float
    per_second: float
    _level: float | None = None
    _at: float = 0.0

    def take(self, now: float) -> float:
        """Take one token; 0 when there was one, else the seconds until there will be."""
        level = self.burst if self._level is None else self._level
        level = min(self.burst, level + (now - self._at) * self.per_second)
        self._at = now
        granted = level >= 1.0 - 1e-9
        self._level = level - 1.0 if granted else level
        return 0.0 if granted else (1.0 - level) / self.per_second


@dataclass(slots=True)
class FixedWindow:
    """``limit`` requests in a window that opens with its first (Discord's header buckets)."""

    limit: int
    seconds: float
    used: int = 0
    opened_at: float = float("-inf")

    def take(self, now: float) -> float:
        """Take one; 0 when it fits, else the seconds until the window ends."""
        if now >= self.opened_at + self.seconds:
            self.opened_at, self.used = now, 0
        if self.used >= self.limit:
            return self.opened_at + self.seconds - now
        self.used += 1
        return 0.0

    @property
    def remaining(self) -> int:
        """How many still fit into the open window."""
        return self.limit - self.used


class SlidingWindow:
    """``limit`` requests in any ``seconds`` (Slack's tiers, Discord's hidden 30 per minute)."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[float] = deque()

    def take(self, now: float) -> float:
        """Take one; 0 when it fits, else the seconds until one does."""
        while self._taken and self._taken[0] <= now - self.seconds:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return self._taken[0] + self.seconds - now
        self._taken.append(now)
        return 0.0
