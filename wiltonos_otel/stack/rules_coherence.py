"""Rules about Φ itself: its pace, its jumps, its band, its loops, and whether it is there."""

from decimal import Decimal

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import STEER_WINDOW_SECONDS, Policy
from wiltonos_otel.stack import rules_figures as figures
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import Alert, Group, Record, Severity, fresh, number

PHI = catalogue.COHERENCE_RATIO.series
DERIVATIVE = catalogue.COHERENCE_DERIVATIVE.series
STEER = f'{DERIVATIVE}{{window="{STEER_WINDOW_SECONDS}s"}}'
BY_INSTANCE = "on (job, instance)"
OUT_OF_BAND = "WiltonosPhiOutOfBand"

# a jump is measured against the median of this long before it
MEDIAN_SECONDS = 30
# samples that the older half of that window must hold: right after a start nothing is a jump
MEDIAN_SAMPLES = 2
# how long an instance is remembered after its last sample
MEMORY = "1h"
# how long Φ must be gone beyond freshness: a restart of the exporter takes less
ABSENT_HOLD_SECONDS = 30
# An alert outlives its condition by this much, so that a value at the very edge is one alert;
# every resolve comes this much later.
KEEP_SECONDS = 10
# The inner band, as a share of the tolerance: half of all breaches of the band were preceded by a
# 1-minute median beyond it, by two minutes in the median (docs/decisions/0007).
INNER_BAND = Decimal("0.625")
DRIFT_WINDOW_SECONDS = 60
STALE_HOLD_SECONDS = 5

SIGNAL = f"{PHI}:deriv60s_per_minute"


def groups(policy: Policy, stale_after_seconds: float) -> tuple[Group, ...]:
    """The rules about Φ under a policy, evaluated each second."""
    return (
        Group("wiltonos-signal", 1, (_derivative_cross_check(policy),)),
        Group(
            "wiltonos-coherence",
            1,
            (
                _soft_steer(policy),
                _jump(policy),
                _out_of_band(policy),
                _loop_pressure(policy),
                _source_stale(policy, stale_after_seconds),
                _absent(policy),
                _drifting(policy),
            ),
        ),
    )


def _derivative_cross_check(policy: Policy) -> Record:
    """Our own slope is exact over all samples; this one is what PromQL makes of those it has."""
    seen = fresh(PHI, policy.fresh_seconds)
    return Record(
        f"instance:{SIGNAL}",
        f"deriv({PHI}[{STEER_WINDOW_SECONDS}s]) * 60\nand {BY_INSTANCE} {seen}",
    )


def _state(policy: Policy) -> dict[str, str]:
    """Φ, where it is going, and the loop that is furthest from its set-point."""
    return figures.phi(policy) | figures.motion(policy) | figures.worst_loop(policy)


def _soft_steer(policy: Policy) -> Alert:
    limit = number(policy.max_rate_per_minute)
    return Alert(
        name="WiltonosSoftSteer",
        expr=f"abs({fresh(STEER, policy.fresh_seconds)}) > {limit}",
        severity=Severity.WARNING,
        hold_seconds=policy.rate_hold_seconds,
        keep_seconds=KEEP_SECONDS,
        summary='Φ moves by {{ $value | printf "%.3f" }} per minute on {{ $labels.instance }}',
        description=(
            f"For {policy.rate_hold_seconds} s Φ has been moving faster than the Soft-Steer "
            f'limit of {limit} per minute; its 60 s slope is {{{{ $value | printf "%.3f" }}}} per '
            "minute. Steer gently: smaller corrections, further apart."
        ),
        figures={
            "value": f"{figures.VALUE} {figures.PER_MINUTE}",
            # drawn with its sign, so between two limits
            "limit": f"{figures.span(-policy.max_rate_per_minute, policy.max_rate_per_minute)} "
            f"{figures.PER_MINUTE}",
            **_state(policy),
            "chart_expr": fresh(STEER, policy.fresh_seconds),
        },
        panel=PanelId.DERIVATIVES,
    )


def _jump(policy: Policy) -> Alert:
    """The median ends where the hold began: what jumped is not part of what it is held against."""
    limit, hold = number(policy.max_jump), policy.jump_hold_seconds
    half = MEDIAN_SECONDS // 2
    return Alert(
        name="WiltonosPhiJump",
        expr=(
            f"abs(\n  {fresh(PHI, policy.fresh_seconds)}\n"
            f"  - quantile_over_time(0.5, {PHI}[{MEDIAN_SECONDS}s] offset {hold}s)\n"
            f") > {limit}\n"
            f"and {BY_INSTANCE} "
            f"count_over_time({PHI}[{half}s] offset {hold + half}s) >= {MEDIAN_SAMPLES}"
        ),
        severity=Severity.WARNING,
        hold_seconds=hold,
        keep_seconds=KEEP_SECONDS,
        summary='Φ jumped by {{ $value | printf "%.3f" }} on {{ $labels.instance }}',
        description=(
            f'Within seconds Φ moved {{{{ $value | printf "%.3f" }}}} away from the median of the '
            f"{MEDIAN_SECONDS} s before, more than the limit of {limit}, and stayed there for "
            f"{hold} s. Something acted abruptly: look for a collapse or a correction at that time."
        ),
        # no limit here: it would be drawn across Φ
        figures={
            "value": figures.VALUE,
            **_state(policy),
            **figures.chart_phi(policy),
        },
        panel=PanelId.HISTORY,
    )


def _out_of_band(policy: Policy) -> Alert:
    """Once it fires it fires until Φ is seen in band again: not seen is not well.

    Without its second half the alert would resolve ``fresh_seconds`` after its exporter died.
    """
    phi = fresh(PHI, policy.fresh_seconds)
    low, high = number(policy.band_low), number(policy.band_high)
    firing = f'ALERTS{{alertname="{OUT_OF_BAND}", alertstate="firing"}}'
    return Alert(
        name=OUT_OF_BAND,
        expr=(
            f"{phi} > {high}\nor {phi} < {low}\nor (\n"
            f"  last_over_time({PHI}[{MEMORY}])\n"
            f"  and {BY_INSTANCE} {firing}\n"
            f"  unless {BY_INSTANCE} {phi}\n)"
        ),
        severity=Severity.CRITICAL,
        hold_seconds=policy.band_hold_seconds,
        keep_seconds=KEEP_SECONDS,
        summary='Φ is out of band at {{ $value | printf "%.3f" }} on {{ $labels.instance }}',
        description=(
            f"For {policy.band_hold_seconds} s Φ has been outside {low} to {high}; it is "
            f'{{{{ $value | printf "%.3f" }}}}, the target is {number(policy.target)}. Look at the '
            "loops with the highest pressure first."
        ),
        figures={
            "value": figures.VALUE,
            "limit": figures.band(policy),
            **figures.motion(policy),
            **figures.worst_loop(policy),
            **figures.chart_phi(policy),
        },
        panel=PanelId.PHI_NOW,
    )


def _loop_pressure(policy: Policy) -> Alert:
    limit = number(policy.loop_pressure_limit)
    return Alert(
        name="WiltonosLoopPressureHigh",
        expr=f"{fresh(catalogue.LOOP_PRESSURE.series, policy.fresh_seconds)} > {limit}",
        severity=Severity.WARNING,
        hold_seconds=policy.band_hold_seconds,
        keep_seconds=KEEP_SECONDS,
        summary='Loop {{ $labels.loop }} is under pressure: {{ $value | printf "%.3f" }}',
        description=(
            f"For {policy.band_hold_seconds} s loop {{{{ $labels.loop }}}} on "
            '{{ $labels.instance }} has been {{ $value | printf "%.3f" }} away from its set-point '
            f"Φ★, more than the limit of {limit}. It may need a collapse."
        ),
        figures={"value": figures.VALUE, "limit": limit, **figures.phi(policy)},
        panel=PanelId.LOOP_PRESSURE,
    )


def _source_stale(policy: Policy, stale_after_seconds: float) -> Alert:
    seen = fresh(catalogue.SOURCE_LAST_SAMPLE.series, policy.fresh_seconds)
    limit = number(stale_after_seconds)
    return Alert(
        name="WiltonosSourceStale",
        # a source that never gave a sample reports 0 or nothing
        expr=f"time() - ({seen} > 0) > {limit}",
        severity=Severity.WARNING,
        hold_seconds=STALE_HOLD_SECONDS,
        summary="Source {{ $labels.source }} has been silent for {{ $value | humanizeDuration }}",
        description=(
            "The exporter on {{ $labels.instance }} runs, but the newest good sample of source "
            "{{ $labels.source }} is {{ $value | humanizeDuration }} old, more than the limit of "
            f"{limit} s. Its values are no longer reported."
        ),
        figures={"value": "{{ $value | humanizeDuration }}", "limit": f"{limit} s"},
        panel=PanelId.SOURCES,
    )


def _absent(policy: Policy) -> Alert:
    return Alert(
        name="WiltonosPhiAbsent",
        expr=(
            f"last_over_time({PHI}[{MEMORY}])\n"
            f"unless {BY_INSTANCE} {fresh(PHI, policy.fresh_seconds)}"
        ),
        severity=Severity.CRITICAL,
        hold_seconds=ABSENT_HOLD_SECONDS,
        summary="Φ is gone on {{ $labels.instance }}",
        description=(
            "Nobody reports Φ of {{ $labels.instance }} any more; its last value was "
            '{{ $value | printf "%.3f" }}. Either the exporter is down, or its source is stale, or '
            "the way to Prometheus is broken. No other alert about this Φ can be trusted now."
        ),
        figures=figures.chart_phi(policy),
        panel=PanelId.PHI_NOW,
    )


def _drifting(policy: Policy) -> Alert:
    inner = INNER_BAND * Decimal(str(policy.tolerance))
    target = Decimal(str(policy.target))
    low, high = number(float(target - inner)), number(float(target + inner))
    median = f"quantile_over_time(0.5, {PHI}[{DRIFT_WINDOW_SECONDS}s])"
    half = DRIFT_WINDOW_SECONDS // 2
    return Alert(
        name="WiltonosPhiDrifting",
        expr=(
            f"(\n  {median} > {high}\n  or {median} < {low}\n)\n"
            f"and {BY_INSTANCE} {fresh(PHI, policy.fresh_seconds)}\n"
            f"and {BY_INSTANCE} "
            f"count_over_time({PHI}[{half}s] offset {half}s) >= {MEDIAN_SAMPLES}"
        ),
        severity=Severity.INFO,
        keep_seconds=3 * KEEP_SECONDS,
        summary='Φ drifts towards the edge: {{ $value | printf "%.4f" }} on {{ $labels.instance }}',
        description=(
            f'The median of the last minute is {{{{ $value | printf "%.4f" }}}}, outside the inner '
            f"band {low} to {high}. Half of all excursions begin like this, minutes before Φ "
            "leaves its band."
        ),
        figures={
            "value": '{{ $value | printf "%.4f" }}',
            "limit": f"{low} to {high}",
            **_state(policy),
        },
        panel=PanelId.HISTORY,
    )
