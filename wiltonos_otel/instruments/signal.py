"""The signal of one source as instruments and pages read it: a tracker that threads may share."""

import threading
from typing import Protocol

from wiltonos_otel.clock import Clock
from wiltonos_otel.phi import Refusal, Snapshot, Tracker
from wiltonos_otel.policy import Policy


class Observed(Protocol):
    """Something whose snapshot is exported.

    Attributes:
        source: names it in ``wiltonos.source.*``.
    """

    source: str

    def snapshot(self) -> Snapshot:
        """What is known now; never blocks for long."""
        ...


class Signal:
    """A tracker behind a lock, with the time of a clock.

    Args:
        source: names the source in ``wiltonos.source.*``.
        policy: the coherence policy in force.
        stale_after_seconds: age at which a sample stops counting.
        clock: tells the time.
    """

    def __init__(
        self, source: str, policy: Policy, stale_after_seconds: float, clock: Clock
    ) -> None:
        self.source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._tracker = Tracker(policy, round(stale_after_seconds * 1000))

    def observe(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample of Φ, or say why not; see ``Tracker.observe``."""
        with self._lock:
            return self._tracker.observe(time_ms, phi, self._clock.now_ms())

    def observe_loop(
        self,
        name: str,
        time_ms: int,
        phi: float,
        phi_star: float | None = None,
        collapses: int | None = None,
    ) -> Refusal | None:
        """Take a sample of a loop, or say why not; see ``Tracker.observe_loop``."""
        now_ms = self._clock.now_ms()
        with self._lock:
            return self._tracker.observe_loop(
                name, time_ms, phi, phi_star, collapses, now_ms=now_ms
            )

    def collapsed(self, name: str, count: int = 1) -> None:
        """Count collapses of a loop that were reported one by one."""
        with self._lock:
            self._tracker.collapsed(name, count, self._clock.now_ms())

    def forget_loop(self, name: str) -> None:
        """Drop a loop: its series end."""
        with self._lock:
            self._tracker.forget_loop(name)

    def snapshot(self) -> Snapshot:
        """What is known now."""
        with self._lock:
            return self._tracker.snapshot(self._clock.now_ms())
