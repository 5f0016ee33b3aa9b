"""Keeps a channel from being hammered while its chat is down. Pure: told the time."""

import random
from dataclasses import dataclass, field

from notifier.deliver.backoff import Backoff
from notifier.deliver.outcome import OutcomeKind

# a chat that failed this often in a row is down, rather than unlucky
TOLERATED = 3
_FAILING = frozenset({OutcomeKind.TRANSIENT, OutcomeKind.UNKNOWN})


@dataclass
class Circuit:
    """Closed while all is well; open, with one attempt at a time, while everything fails.

    Attributes:
        backoff: how the waits grow.
        failures: failed attempts in a row.
        open_until: monotonic second before which nothing is tried.
        detail: what the last failure said.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(cap_seconds=30.0))
    failures: int = 0
    open_until: float = 0.0
    detail: str = ""

    @property
    def open(self) -> bool:
        """Whether the chat counts as down."""
        return self.failures >= TOLERATED

    def record(self, kind: OutcomeKind, detail: str, now: float, rng: random.Random) -> bool:
        """Take an outcome in; True when the chat has just come back."""
        if kind in _FAILING:
            self.failures += 1
            self.detail = detail
            if self.open:
                wait = self.backoff.delay(self.failures - TOLERATED + 1, rng)
                self.open_until = now + wait
            return False
        back = self.open
        self.failures, self.open_until, self.detail = 0, 0.0, ""
        return back
