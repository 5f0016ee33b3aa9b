"""Sustained-Good as a service level: how fast the error budget burns, over several windows.

Multi-window, multi-burn-rate alerts after the Site Reliability Workbook, chapter 5.
"""

from dataclasses import dataclass
from decimal import Decimal

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_coherence import BY_INSTANCE, MEMORY, PHI, STEER
from wiltonos_otel.stack.rules_model import Alert, Group, Record, Severity, fresh, number

GOOD = "instance:wiltonos_sustained_good:bool"
# the long windows are averages of these averages: 864 values for three days, not 25,920
GOOD_5M = "instance:wiltonos_sustained_good:avg5m"
STEP_SECONDS = 300
# a share of bad time beyond this cannot be demanded of an alert: the whole is 1
HIGHEST_SHARE = Decimal("0.9")
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows and the burn rate that both must exceed.

    Attributes:
        long_seconds: the window that shows that it matters.
        short_seconds: the window that shows that it still goes on.
        factor: multiple of the rate that just uses up the budget.
    """

    long_seconds: int
    short_seconds: int
    factor: str


FAST = (Burn(HOUR, 300, "14.4"), Burn(6 * HOUR, 1800, "6"))
SLOW = (Burn(24 * HOUR, 2 * HOUR, "3"), Burn(72 * HOUR, 6 * HOUR, "1"))


def groups(policy: Policy) -> tuple[Group, ...]:
    """The recording rules that say whether all is well, and the alerts on them."""
    return (
        Group(
            "wiltonos-sustained-good",
            10,
            (
                _good(policy),
                Record(GOOD_5M, f"avg_over_time({GOOD}[{STEP_SECONDS}s])"),
                _alert(policy, FAST, "fast"),
            ),
        ),
        Group("wiltonos-sustained-good-slow", 60, (_alert(policy, SLOW, "slow"),)),
    )


def _good(policy: Policy) -> Record:
    """1 while Φ is in band and steady, else 0; an instance that is not seen is not good."""
    phi = fresh(PHI, policy.fresh_seconds)
    slope = fresh(STEER, policy.fresh_seconds)
    return Record(
        GOOD,
        f"(\n  {phi} >= bool {number(policy.band_low)}\n)"
        f" * (\n  {phi} <= bool {number(policy.band_high)}\n)"
        f" * {BY_INSTANCE} (\n"
        f"  abs({slope}) <= bool {number(policy.max_rate_per_minute)}\n)\n"
        f"or {BY_INSTANCE} 0 * last_over_time({PHI}[{MEMORY}])",
    )


def _threshold(policy: Policy, burn: Burn) -> str:
    budget = 1 - Decimal(str(policy.sustained_good_objective))
    return number(float(min(budget * Decimal(burn.factor), HIGHEST_SHARE)))


def _exceeded(policy: Policy, burn: Burn) -> str:
    """Both windows are worse than allowed, and half of the long one has been looked at."""
    limit = _threshold(policy, burn)
    span = f"[{_duration(burn.long_seconds)}:5m]"
    short = f"[{_duration(burn.short_seconds)}:5m]"
    return (
        f"(\n  1 - avg_over_time({GOOD_5M}{span}) > {limit}\n"
        f"  and 1 - avg_over_time({GOOD_5M}{short}) > {limit}\n"
        f"  and count_over_time({GOOD_5M}{span}) >= {burn.long_seconds // STEP_SECONDS // 2}\n)"
    )


def _duration(seconds: int) -> str:
    return f"{seconds // HOUR}h" if seconds >= HOUR else f"{seconds // 60}m"


def _alert(policy: Policy, burns: tuple[Burn, ...], pace: str) -> Alert:
    fast = pace == "fast"
    objective = number(float(100 * Decimal(str(policy.sustained_good_objective))))
    spans = f"{_duration(burns[0].long_seconds)} to {_duration(burns[-1].long_seconds)}"
    return Alert(
        name="WiltonosSustainedGoodBurn",
        expr="\nor ".join(_exceeded(policy, burn) for burn in burns),
        severity=Severity.CRITICAL if fast else Severity.WARNING,
        labels={"burn": pace},
        summary=(
            "Sustained-Good is missed on {{ $labels.instance }}: "
            "{{ $value | humanizePercentage }} of the time was bad"
        ),
        description=(
            f"Of the last {spans}, "
            "{{ $value | humanizePercentage }} of the time Φ was out of band, unsteady or not "
            f"seen; the objective is {objective} % good. "
            + (
                "At this pace the budget of a month is gone within days."
                if fast
                else "At this pace the budget will not last the month."
            )
        ),
        figures={
            "value": "{{ $value | humanizePercentage }}",
            "chart_expr": f"{fresh(GOOD_5M, policy.fresh_seconds)} < "
            f"{number(policy.sustained_good_objective)}",
        },
        panel=PanelId.SUSTAINED_GOOD,
    )
