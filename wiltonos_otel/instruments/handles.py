"""The handles that a service sets: cheap to call, safe in threads and coroutines, never raising.

A call only appends to a bounded buffer; the exact arithmetic happens when somebody collects.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time_ns
from typing import Any, TypeVar

from wiltonos_otel.instruments.after import after
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.phi import Refusal, Snapshot

NS_PER_MS = 1_000_000
# stands for the loops that are too many: their collapses are counted as one series, under the
# attribute that the SDK gives to what exceeds its own limit
OVERFLOW = "otel.metric.overflow"
# values between two collections; with more of them the oldest give way
MAX_PENDING = 16_384
# threads may append a little out of order; a clock that was set back further is a clock
REORDER_MS = 1000

F = TypeVar("F", bound=Callable[..., Any])

# Unix time in nanoseconds, the loop or None for Φ itself, Φ, Φ★
_Set = tuple[int, str | None, float, float | None]


class Recorder:
    """Buffers what handles are set to, and folds it into a signal at each collection.

    Args:
        signal: what is fed.
        refused: told the reason of every value that is no share in [0, 1].
    """

    def __init__(self, signal: Signal, refused: Callable[[str], None]) -> None:
        self.source = signal.source
        self.pending: deque[_Set] = deque(maxlen=MAX_PENDING)
        # unlike values of Φ, none of these may be lost
        self.told: deque[tuple[str, int]] = deque()
        self._signal = signal
        self._refused = refused
        self._newest: dict[str | None, int] = {}
        self._folding = threading.Lock()

    def fold_collapses(self) -> None:
        """Count what was told; a negative count is refused."""
        told, sums = self.told, Counter[str]()
        for _ in range(len(told)):
            try:
                loop, count = told.popleft()
            except IndexError:
                # another thread folds as well
                break
            if count < 0:
                self._refused(Refusal.BAD_COLLAPSES)
            else:
                sums[loop] += count
        for loop, count in sums.items():
            self._signal.collapsed(loop, count)

    def snapshot(self) -> Snapshot:
        """What is known now."""
        with self._folding:
            self._fold()
        self.fold_collapses()
        return self._signal.snapshot()

    def _fold(self) -> None:
        """Feed the signal; of several values within a millisecond the last one counts."""
        pending = self.pending
        last: dict[tuple[str | None, int], _Set] = {}
        for _ in range(len(pending)):
            item = pending.popleft()
            last[item[1], item[0] // NS_PER_MS] = item
        for (loop, time_ms), (_, _, phi, phi_star) in last.items():
            self._feed(loop, time_ms, phi, phi_star)

    def _feed(self, loop: str | None, time_ms: int, phi: float, phi_star: float | None) -> None:
        try:
            phi = float(phi)
            phi_star = None if phi_star is None else float(phi_star)
        except (TypeError, ValueError):
            self._refused(Refusal.NON_FINITE)
            return
        before = self._newest.get(loop, 0)
        if before - REORDER_MS < time_ms <= before:
            time_ms = before + 1
        if loop is None:
            refusal = self._signal.observe(time_ms, phi)
        else:
            refusal = self._signal.observe_loop(loop, time_ms, phi, phi_star)
        if refusal is None:
            self._newest[loop] = time_ms
        else:
            self._refused(refusal)


class Slot:
    """Holds the recorder in force, or None while nothing is configured; handles share it."""

    __slots__ = ("recorder",)

    def __init__(self) -> None:
        self.recorder: Recorder | None = None


class Coherence:
    """Φ of this service.

    Args:
        slot: holds the recorder.
    """

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def set(self, phi: float) -> None:
        """Set Φ, a share in [0, 1]; any other value is refused and counted by reason."""
        recorder = self._slot.recorder
        if recorder is not None:
            recorder.pending.append((time_ns(), None, phi, None))

    def returned(self, function: F) -> F:
        """Decorate a function that returns Φ, plain or ``async``: what it returns is set."""
        return after(function, self.set)


class Loop:
    """A loop of this service.

    Args:
        name: becomes the attribute ``loop``.
        slot: holds the recorder.
    """

    __slots__ = ("_slot", "name")

    def __init__(self, name: str, slot: Slot) -> None:
        self.name = name
        self._slot = slot

    def set(self, phi: float, phi_star: float | None = None) -> None:
        """Set Φ of the loop.

        Args:
            phi: a share in [0, 1]; any other value is refused and counted by reason.
            phi_star: its set-point Φ★; None is the target of the policy.
        """
        recorder = self._slot.recorder
        if recorder is not None:
            recorder.pending.append((time_ns(), self.name, phi, phi_star))

    def collapsed(self, count: int = 1) -> None:
        """Count operations that reset the loop; 0 announces it before the first."""
        recorder = self._slot.recorder
        if recorder is not None:
            told = recorder.told
            told.append((self.name, count))
            if len(told) > MAX_PENDING:
                recorder.fold_collapses()

    def returned(self, function: F) -> F:
        """Decorate a function that returns Φ of the loop, plain or ``async``: it is set."""
        return after(function, self.set)

    def collapses(self, function: F) -> F:
        """Decorate a function that resets the loop, plain or ``async``: its returns are counted."""
        return after(function, lambda _result: self.collapsed())

    @contextmanager
    def collapsing(self) -> Iterator[None]:
        """Count a collapse when the block ends; none when it raises."""
        yield
        self.collapsed()


class OverflowLoop(Loop):
    """Stands for all loops that are too many.

    Args:
        slot: holds the recorder.
    """

    __slots__ = ()

    def __init__(self, slot: Slot) -> None:
        super().__init__(OVERFLOW, slot)

    def set(self, phi: float, phi_star: float | None = None) -> None:
        """Do nothing: one Φ of many loops means nothing."""
