"""The handles that a service sets: cheap to call, safe in threads and coroutines, never raising.

A call only appends to a buffer; the exact arithmetic happens when somebody collects. Before
the first collection only the newest value of each handle is kept, so that a service without an
SDK pays next to nothing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.phi import Refusal, Snapshot

NS_PER_MS = 1_000_000
FOLD_AT = 1024
# threads may append a little out of order; a clock that was set back further is a clock
REORDER_MS = 1000


class _Set(NamedTuple):
    time_ms: int
    loop: str | None
    phi: float
    phi_star: float | None


class Recorder:
    """Buffers what handles are set to, and folds it into a signal.

    Args:
        signal: what is fed.
        refused: told the reason of every value that is no share in [0, 1].
    """

    def __init__(self, signal: Signal, refused: Callable[[str], None]) -> None:
        self.source = signal.source
        self._signal = signal
        self._refused = refused
        self._pending: deque[_Set] = deque()
        self._newest: dict[str | None, int] = {}
        self._folding = threading.Lock()
        self._collected = False

    def set(self, loop: str | None, phi: float, phi_star: float | None) -> None:
        """Note a value; None as loop is Φ itself."""
        pending = self._pending
        pending.append(_Set(time.time_ns() // NS_PER_MS, loop, phi, phi_star))
        if len(pending) >= FOLD_AT:
            self._fold(keep_newest=True)

    def collapsed(self, loop: str, count: int) -> None:
        """Note collapses of a loop; a negative count is refused."""
        if count < 0:
            self._refused(Refusal.BAD_COLLAPSES)
        else:
            self._signal.collapsed(loop, count)

    def snapshot(self) -> Snapshot:
        """What is known now."""
        self._collected = True
        self._fold(keep_newest=False)
        return self._signal.snapshot()

    def _fold(self, *, keep_newest: bool) -> None:
        """Feed the signal; of several values within a millisecond the last one counts."""
        with self._folding:
            taken = [self._pending.popleft() for _ in range(len(self._pending))]
            last = {(item.loop, item.time_ms): item for item in taken}
            newest = {item.loop: item for item in last.values()} if keep_newest else {}
            if self._collected or not keep_newest:
                for item in last.values():
                    if newest.get(item.loop) is not item:
                        self._feed(item)
            # back in front: a later value of the same millisecond may still replace them
            self._pending.extendleft(newest.values())

    def _feed(self, item: _Set) -> None:
        try:
            phi = float(item.phi)
            phi_star = None if item.phi_star is None else float(item.phi_star)
        except (TypeError, ValueError):
            self._refused(Refusal.NON_FINITE)
            return
        before = self._newest.get(item.loop, 0)
        time_ms = item.time_ms
        if before - REORDER_MS < time_ms <= before:
            time_ms = before + 1
        if item.loop is None:
            refusal = self._signal.observe(time_ms, phi)
        else:
            refusal = self._signal.observe_loop(item.loop, time_ms, phi, phi_star)
        if refusal is None:
            self._newest[item.loop] = time_ms
        else:
            self._refused(refusal)


class Coherence:
    """Φ of this service.

    Args:
        recorder: the recorder in force, or None while nothing is configured.
    """

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Callable[[], Recorder | None]) -> None:
        self._recorder = recorder

    def set(self, phi: float) -> None:
        """Set Φ, a share in [0, 1]; any other value is refused and counted by reason."""
        if recorder := self._recorder():
            recorder.set(None, phi, None)


class Loop:
    """A loop of this service.

    Args:
        name: becomes the attribute ``loop``.
        recorder: the recorder in force, or None while nothing is configured.
    """

    __slots__ = ("_recorder", "name")

    def __init__(self, name: str, recorder: Callable[[], Recorder | None]) -> None:
        self.name = name
        self._recorder = recorder

    def set(self, phi: float, phi_star: float | None = None) -> None:
        """Set Φ of the loop.

        Args:
            phi: a share in [0, 1]; any other value is refused and counted by reason.
            phi_star: its set-point Φ★; None is the target of the policy.
        """
        if recorder := self._recorder():
            recorder.set(self.name, phi, phi_star)

    def collapsed(self, count: int = 1) -> None:
        """Count operations that reset the loop; 0 announces it before the first."""
        if recorder := self._recorder():
            recorder.collapsed(self.name, count)
