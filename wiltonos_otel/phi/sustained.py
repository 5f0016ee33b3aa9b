"""Sustained-Good: the share of the observed time in which Φ is in band and moves smoothly."""

from collections import deque
from collections.abc import Mapping

# windows by label, in seconds; the ``window`` attribute of wiltonos.sustained_good.ratio
SUSTAINED_GOOD_WINDOWS: Mapping[str, int] = {"5m": 300, "1h": 3600, "24h": 86400}
_MS = 1000
_SLOTS = 300


class _Slots:
    """Good and observed milliseconds of a sliding window, in at most 301 slots of equal width.

    Only the slot at the window's left edge is estimated (its part inside the window counts in
    proportion), so a share is off by at most 1/300.
    """

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self._width = max(1, window_ms // _SLOTS)
        # [number of the slot, observed ms, good ms], oldest first
        self._slots: deque[list[int]] = deque()
        self._observed = self._good = 0

    def add(self, start_ms: int, end_ms: int, *, good: bool) -> None:
        """Count the time from ``start_ms`` to ``end_ms``, which nothing has counted yet."""
        start_ms = max(start_ms, end_ms - self.window_ms)
        while start_ms < end_ms:
            number = start_ms // self._width
            part = min(end_ms, (number + 1) * self._width) - start_ms
            if not self._slots or self._slots[-1][0] != number:
                self._slots.append([number, 0, 0])
            self._slots[-1][1] += part
            self._slots[-1][2] += part if good else 0
            self._observed += part
            self._good += part if good else 0
            start_ms += part
        self._evict(end_ms)

    def _evict(self, now_ms: int) -> None:
        first = (now_ms - self.window_ms) // self._width
        while self._slots and self._slots[0][0] < first:
            _, observed, good = self._slots.popleft()
            self._observed -= observed
            self._good -= good

    def within(self, now_ms: int) -> tuple[float, float]:
        """Observed and good milliseconds in (now - window, now]."""
        self._evict(now_ms)
        observed, good = float(self._observed), float(self._good)
        start_ms = now_ms - self.window_ms
        if self._slots and self._slots[0][0] == start_ms // self._width:
            outside = (start_ms % self._width) / self._width
            observed -= outside * self._slots[0][1]
            good -= outside * self._slots[0][2]
        return observed, good


class SustainedGood:
    """Time-weighted shares over several windows, in bounded memory.

    A verdict holds from its sample to the next one, at most for ``hold_ms``; the time after that
    is unobserved and counts neither as good nor as bad.

    Args:
        windows_seconds: lengths of the windows by label.
        hold_ms: how long a sample speaks for the time after it.
    """

    def __init__(self, hold_ms: int, windows_seconds: Mapping[str, int] | None = None) -> None:
        windows = SUSTAINED_GOOD_WINDOWS if windows_seconds is None else windows_seconds
        self._hold_ms = hold_ms
        self._windows = {label: _Slots(seconds * _MS) for label, seconds in windows.items()}
        # the time with one and the same verdict that is not in the slots yet
        self._run_start = self._run_end = self._counted_ms = 0
        self._verdict: bool | None = None

    def observe(self, time_ms: int, *, good: bool | None) -> None:
        """Take the verdict of the sample at ``time_ms``, newer than all before it.

        Args:
            time_ms: Unix time in milliseconds.
            good: whether Φ is in band and smooth; None when that cannot be said.
        """
        if good is self._verdict and time_ms <= self._run_end:
            self._run_end = time_ms + self._hold_ms
            return
        self._settle(time_ms)
        self._verdict = good
        # a late sample takes back nothing that has been counted
        self._run_start = max(time_ms, self._counted_ms)
        self._run_end = time_ms + self._hold_ms

    def _settle(self, time_ms: int) -> None:
        end_ms = min(self._run_end, time_ms)
        if end_ms <= self._run_start:
            return
        if self._verdict is not None:
            for slots in self._windows.values():
                slots.add(self._run_start, end_ms, good=self._verdict)
        self._run_start = self._counted_ms = end_ms

    def shares(self, now_ms: int) -> dict[str, float]:
        """The share in [0, 1] of each window of which at least half has been observed."""
        self._settle(now_ms)
        shares = {}
        for label, slots in self._windows.items():
            observed, good = slots.within(now_ms)
            if observed * 2 >= slots.window_ms:
                shares[label] = min(1.0, max(0.0, good / observed))
        return shares
