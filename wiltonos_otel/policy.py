"""The coherence policy: the single source of every threshold in rules, pages and dashboards."""

from dataclasses import dataclass, fields
from decimal import Decimal

from wiltonos_otel.errors import PolicyError

SECONDS_PER_MINUTE = 60
# Φ is a share: it can move by no more than this
PHI_RANGE = 1.0
# the window whose slope the Soft-Steer rule reads: a shorter one misses every step,
# a longer one hides it (docs/decisions/0003)
STEER_WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Policy:
    """When Φ is well, and for how long it may not be. Validated when made.

    Attributes:
        target: Φ★, the set-point of the system, in (0, 1).
        tolerance: half the width of the band.
        max_rate_per_minute: the largest |dΦ/dt|, in Φ per minute.
        rate_hold_seconds: how long the rate must be exceeded before Soft-Steer alerts.
        band_hold_seconds: how long Φ must be outside the band before an alert.
        max_jump: the largest |Φ - median of the 30 s before|.
        jump_hold_seconds: how long a jump must last; a single glitch is no jump.
        windows_seconds: windows over which the derivative is computed.
        loop_pressure_limit: the largest |Φ - Φ★| of a loop.
        fresh_seconds: age up to which a gauge counts as "now".
        sustained_good_objective: the SLO, a share of time in (0, 1).

    Raises:
        PolicyError: a value is out of its range, or no signal can meet limit and hold together.
    """

    target: float = 0.75
    tolerance: float = 0.02
    max_rate_per_minute: float = 0.04
    rate_hold_seconds: int = 30
    band_hold_seconds: int = 60
    max_jump: float = 0.04
    jump_hold_seconds: int = 2
    windows_seconds: tuple[int, ...] = (30, 60, 300)
    loop_pressure_limit: float = 0.05
    fresh_seconds: int = 15
    sustained_good_objective: float = 0.95

    def __post_init__(self) -> None:
        for field in fields(self):
            values = getattr(self, field.name)
            for value in values if isinstance(values, tuple) else (values,):
                number = isinstance(value, int | float)
                if not (number and 0 < value < float("inf")):
                    raise PolicyError(f"{field.name} = {value!r} must be a positive number")
        self._check_shares()
        self._check_windows()
        self._check_reachable()

    @property
    def band_low(self) -> float:
        """Lower edge of the band, the exact decimal difference."""
        return float(Decimal(str(self.target)) - Decimal(str(self.tolerance)))

    @property
    def band_high(self) -> float:
        """Upper edge of the band, the exact decimal sum."""
        return float(Decimal(str(self.target)) + Decimal(str(self.tolerance)))

    def limits(self) -> dict[str, float]:
        """The thresholds as ``wiltonos.soft_steer.limit`` reports them, by ``limit`` attribute."""
        return {
            "target": self.target,
            "band_low": self.band_low,
            "band_high": self.band_high,
            "rate": self.max_rate_per_minute,
            "jump": self.max_jump,
            "loop_pressure": self.loop_pressure_limit,
        }

    def _check_shares(self) -> None:
        if not (self.band_low > 0 and self.band_high < PHI_RANGE):
            raise PolicyError(
                f"target {self.target} with tolerance {self.tolerance} makes the band "
                f"{self.band_low} to {self.band_high}, but Φ lies between 0 and 1; "
                "lower the tolerance"
            )
        if self.sustained_good_objective >= 1:
            raise PolicyError(
                f"sustained_good_objective = {self.sustained_good_objective} leaves no error "
                "budget; choose a share below 1"
            )
        for name in ("max_jump", "loop_pressure_limit"):
            if getattr(self, name) >= PHI_RANGE:
                raise PolicyError(
                    f"{name} = {getattr(self, name)} can never be exceeded: Φ lies between "
                    "0 and 1; choose a limit below 1"
                )

    def _check_windows(self) -> None:
        if STEER_WINDOW_SECONDS not in self.windows_seconds:
            raise PolicyError(
                f"windows_seconds = {list(self.windows_seconds)} lacks {STEER_WINDOW_SECONDS}, "
                "the window that the Soft-Steer rule reads; add it"
            )
        if len(set(self.windows_seconds)) != len(self.windows_seconds):
            raise PolicyError(f"windows_seconds = {list(self.windows_seconds)} repeats a window")

    def _check_reachable(self) -> None:
        """A windowed slope held above c for H seconds moves Φ by more than c·H; Φ's range is 1."""
        per_second = self.max_rate_per_minute / SECONDS_PER_MINUTE
        travel = per_second * self.rate_hold_seconds
        if travel >= PHI_RANGE:
            raise PolicyError(
                f"max_rate_per_minute = {self.max_rate_per_minute} held for rate_hold_seconds = "
                f"{self.rate_hold_seconds} can never happen: {self.max_rate_per_minute}/60 × "
                f"{self.rate_hold_seconds} = {travel:g}, and Φ can move by less than 1 in all; "
                "rates are per MINUTE (0.04 per minute over 30 s is 0.02, the tolerance): "
                "lower the rate or the hold"
            )
