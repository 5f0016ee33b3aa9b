"""What handles were set to, until a collection folds it into a signal."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from operator import index

from wiltonos_otel.instruments.handles import MAX_PENDING
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.phi import Refusal, Snapshot

NS_PER_MS = 1_000_000
# threads may append a little out of order; a clock that was set back further is a clock
REORDER_MS = 1000

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
        """Count what was told; what is no whole number of at least 0 is refused."""
        told, sums = self.told, Counter[str]()
        for _ in range(len(told)):
            try:
                loop, count = told.popleft()
            except IndexError:
                # another thread folds as well
                break
            whole = _whole(count)
            if whole is None:
                self._refused(Refusal.BAD_COLLAPSES)
            else:
                sums[loop] += whole
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
        except Exception:  # noqa: BLE001 - a type of somebody else raises what it likes
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


def _whole(count: object) -> int | None:
    """A whole number of at least 0, of whichever type (numpy has its own), or None."""
    try:
        whole = index(count)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a type of somebody else raises what it likes
        return None
    return whole if whole >= 0 else None
