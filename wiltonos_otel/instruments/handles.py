"""The handles that a service sets: cheap to call, safe in threads and coroutines, never raising.

A call only appends to the bounded buffer of a recorder; without one it does nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any, TypeVar

from wiltonos_otel.instruments.after import after

if TYPE_CHECKING:
    # whoever only holds handles need not pay for the arithmetic behind them
    from wiltonos_otel.instruments.recorder import Recorder

# stands for the loops that are too many: their collapses are counted as one series, under the
# attribute that the SDK gives to what exceeds its own limit
OVERFLOW = "otel.metric.overflow"
# values between two collections; with more of them the oldest give way
MAX_PENDING = 16_384

F = TypeVar("F", bound=Callable[..., Any])


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
