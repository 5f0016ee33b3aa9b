"""The fold over the samples of one loop, and of its running total of collapses."""

from dataclasses import dataclass

from wiltonos_otel.phi.band import pressure
from wiltonos_otel.phi.sample import Refusal, check_order, check_share
from wiltonos_otel.phi.snapshot import LoopSnapshot


class CollapseCount:
    """A total that never falls, from a running total that may restart.

    What a restart took from the running total is added again, so that collapses which happened
    while nobody was reading count as well.
    """

    __slots__ = ("_lost", "_running", "_told")

    def __init__(self) -> None:
        self._running: int | None = None
        self._lost = 0
        self._told = 0

    @property
    def total(self) -> int:
        """All collapses known of."""
        return self._lost + (self._running or 0) + self._told

    def read(self, running: int) -> bool:
        """Take the writer's running total; whether it shows a collapse since the last reading."""
        before = self._running
        if before is not None and running < before:
            self._lost += before
        self._running = running
        return before is not None and running != before and running > 0

    def tell(self, count: int) -> None:
        """Add collapses that were reported one by one."""
        self._told += count


@dataclass(slots=True)
class Loop:
    """The newest state of one loop.

    Attributes:
        phi_star: its set-point Φ★.
    """

    phi_star: float
    collapses: CollapseCount
    time_ms: int | None = None
    phi: float | None = None
    last_collapse_ms: int | None = None

    def check(
        self, time_ms: int, phi: float, phi_star: float, collapses: int | None
    ) -> Refusal | None:
        """Why the sample cannot follow, or None when it can."""
        refusal = check_share(phi) or check_share(phi_star)
        if refusal is None and self.time_ms is not None:
            refusal = check_order(time_ms, self.time_ms)
        if refusal is None and collapses is not None and collapses < 0:
            refusal = Refusal.BAD_COLLAPSES
        return refusal

    def snapshot(self, *, fresh: bool) -> LoopSnapshot:
        """The loop as a frozen value, without its gauges when it is not fresh."""
        phi = self.phi if fresh else None
        return LoopSnapshot(
            time_ms=self.time_ms,
            phi=phi,
            phi_star=self.phi_star,
            pressure=None if phi is None else pressure(phi, self.phi_star),
            collapses=self.collapses.total,
            last_collapse_ms=self.last_collapse_ms,
        )
