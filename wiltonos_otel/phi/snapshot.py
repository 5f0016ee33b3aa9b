"""What is known about Φ at one moment: the frozen value that instruments and pages read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wiltonos_otel.phi.band import Band


@dataclass(frozen=True, slots=True)
class LoopSnapshot:
    """One loop at one moment.

    Attributes:
        time_ms: Unix time of its newest sample, or None when it has none.
        phi: its Φ, or None when it is stale.
        phi_star: its set-point Φ★.
        pressure: |Φ - Φ★|, or None when it is stale.
        collapses: how often it was collapsed, as far as known; never falls.
        last_collapse_ms: Unix time at which the count was last seen to grow, or None.
    """

    time_ms: int | None
    phi: float | None
    phi_star: float
    pressure: float | None
    collapses: int
    last_collapse_ms: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment. What is stale is absent: gone means gone.

    Attributes:
        now_ms: Unix time at which it was taken.
        time_ms: Unix time of the newest sample, or None before the first.
        phi: Φ, or None when it is stale or was never seen.
        band: where Φ stands, or None together with Φ.
        derivatives: dΦ/dt per minute by window in seconds; only windows that have a value.
        sustained_good: shares of observed time by window label; only windows that have a value.
        loops: the loops by name.
        ever_seen: whether Φ was seen since the start.
    """

    now_ms: int
    time_ms: int | None = None
    phi: float | None = None
    band: Band | None = None
    derivatives: Mapping[int, float] = field(default_factory=dict)
    sustained_good: Mapping[str, float] = field(default_factory=dict)
    loops: Mapping[str, LoopSnapshot] = field(default_factory=dict)
    ever_seen: bool = False
