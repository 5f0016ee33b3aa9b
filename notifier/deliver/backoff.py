"""When to try again, and when to stop: pure."""

from dataclasses import dataclass
from typing import Protocol


class Chance(Protocol):
    """What of ``random.Random`` is needed; the caller brings it."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between a and b."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter and an end.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Attributes:
        base_seconds: upper bound of the first wait.
        cap_seconds: upper bound of every wait.
        floor_seconds: lower bound of every wait, so that jitter never hammers.
        give_up_attempts: failed attempts after which an effort is a dead letter.
        give_up_seconds: age of the effort before which it is never given up, so that an outage
            that eats attempts quickly does not end it.
    """

    base_seconds: float = 1.0
    cap_seconds: float = 120.0
    floor_seconds: float = 0.2
    give_up_attempts: int = 12
    give_up_seconds: float = 3600.0

    def delay(self, attempts: int, rng: Chance) -> float:
        """Seconds to wait after so many failed attempts (1 or more)."""
        # 2**64 seconds is beyond every cap; a larger exponent would only overflow
        bound = min(self.cap_seconds, self.base_seconds * 2.0 ** min(max(attempts, 1) - 1, 64))
        return max(self.floor_seconds, rng.uniform(0.0, bound))

    def exhausted(self, attempts: int, age_seconds: float) -> bool:
        """Whether to give up after so many failed attempts over such a time."""
        return attempts >= self.give_up_attempts and age_seconds >= self.give_up_seconds
