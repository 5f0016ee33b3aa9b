"""Sustained-Good as a service level: how fast the error budget burns, over several windows.

Multi-window, multi-burn-rate alerts after the Site Reliability Workbook, chapter 5.
"""

from dataclasses import dataclass
from decimal import Decimal

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_coherence import BY_INSTANCE, MEMORY, PHI, STEER
from wiltonos_otel.stack.rules_model import Alert, Group, Record, Severity, fresh, number

INTERVAL_SECONDS = 10
GOOD = "instance:wiltonos_sustained_good:bool"
# a share of bad time beyond this cannot be demanded of an alert: the whole is 1
HIGHEST_SHARE = Decimal("0.9")
# share of the long window that must have been looked at
COVERAGE = 2


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows and the burn rate that both must exceed.

    Attributes:
        long: the window that shows that it matters; PromQL duration and seconds.
        short: the window that shows that it still goes on.
        factor: multiple of the rate that just uses up the budget.
    """

    long: tuple[str, int]
    short: str
    factor: str


FAST = (Burn(("1h", 3600), "5m", "14.4"), Burn(("6h", 21600), "30m", "6"))
SLOW = (Burn(("1d", 86400), "2h", "3"), Burn(("3d", 259200), "6h", "1"))


def groups(policy: Policy) -> tuple[Group, ...]:
    """The recording rule that says each ten seconds whether all is well, and its alerts."""
    return (
        Group(
            "wiltonos-sustained-good",
            INTERVAL_SECONDS,
            (_good(policy), _alert(policy, FAST, "fast"), _alert(policy, SLOW, "slow")),
        ),
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
    limit = _threshold(policy, burn)
    span, seconds = burn.long
    enough = seconds // INTERVAL_SECONDS // COVERAGE
    return (
        f"(\n  1 - avg_over_time({GOOD}[{span}]) > {limit}\n"
        f"  and 1 - avg_over_time({GOOD}[{burn.short}]) > {limit}\n"
        f"  and count_over_time({GOOD}[{span}]) >= {enough}\n)"
    )


def _alert(policy: Policy, burns: tuple[Burn, ...], pace: str) -> Alert:
    fast = pace == "fast"
    objective = number(float(100 * Decimal(str(policy.sustained_good_objective))))
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
            f"Of the last {burns[0].long[0]} to {burns[-1].long[0]}, "
            "{{ $value | humanizePercentage }} of the time Φ was out of band, unsteady or not "
            f"seen; the objective is {objective} % good. "
            + (
                "At this pace the budget of a month is gone within days."
                if fast
                else "At this pace the budget will not last the month."
            )
        ),
        panel=PanelId.SUSTAINED_GOOD,
    )
