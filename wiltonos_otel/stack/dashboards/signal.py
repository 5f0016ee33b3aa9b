"""Panels about Φ itself: now, in its band, how fast it moves, how long it has been well."""

from grafana_foundation_sdk.builders import gauge, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
)

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.dashboards import model
from wiltonos_otel.stack.dashboards.model import (
    GREEN,
    GREY,
    RED,
    YELLOW,
    limit_line,
    place,
    query,
    thresholds,
)
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import fresh, number

INSTANCE = 'instance=~"$instance"'
PHI = f"{catalogue.COHERENCE_RATIO.series}{{{INSTANCE}}}"


def limit(policy: Policy, name: str) -> str:
    """A threshold of the policy in force, as the exporter reports it."""
    series = f'{catalogue.SOFT_STEER_LIMIT.series}{{{INSTANCE},limit="{name}"}}'
    return f"max({fresh(series, policy.fresh_seconds)})"


def phi_now(policy: Policy) -> gauge.Panel:
    """Φ on a dial with its band."""
    panel = (
        gauge.Panel()
        .with_target(query(fresh(PHI, policy.fresh_seconds), "{{instance}}", instant=True))
        .min(0)
        .max(1)
        .decimals(3)
        .unit("none")
        .no_value("no fresh Φ")
        .thresholds(thresholds((None, RED), (policy.band_low, GREEN), (policy.band_high, RED)))
        .color_scheme(model.by_threshold())
        .reduce_options(model.last())
        .show_threshold_markers(True)
        .show_threshold_labels(True)
    )
    words = (
        f"Quantum coherence ratio Φ now; green is the band {number(policy.band_low)} to "
        f"{number(policy.band_high)}. A value older than {policy.fresh_seconds} s is not shown: a "
        "frozen Φ would look like perfect coherence."
    )
    return place(panel, PanelId.PHI_NOW, "Φ now", words, 0, 1, 6, 8)


def sustained_good(policy: Policy) -> stat.Panel:
    """The share of observed time in which Φ was well."""
    series = f"{catalogue.SUSTAINED_GOOD.series}{{{INSTANCE}}}"
    expr = f"avg by (window) ({fresh(series, policy.fresh_seconds)})"
    objective = policy.sustained_good_objective
    # twice the error budget
    poor = 1 - 2 * (1 - objective)
    panel = (
        stat.Panel()
        .with_target(query(expr, "{{window}}", instant=True))
        .min(0)
        .max(1)
        .decimals(1)
        .unit("percentunit")
        .no_value("half a window is not observed yet")
        .thresholds(thresholds((None, RED), (round(poor, 6), YELLOW), (objective, GREEN)))
        .color_scheme(model.by_threshold())
        .reduce_options(model.last())
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
    )
    words = (
        "Share of the observed time with Φ in band and its 60 s slope within the limit, over the "
        f"last 5 minutes, hour and day. The objective is {objective:.0%}."
    )
    return place(panel, PanelId.SUSTAINED_GOOD, "Sustained-Good", words, 6, 1, 9, 8)


def history(policy: Policy) -> timeseries.Panel:
    """Φ over time, its band behind it."""
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(fresh(PHI, policy.fresh_seconds), "Φ {{instance}}"))
        .with_target(query(limit(policy, "target"), "target Φ★", ref="B"))
        .with_target(query(limit(policy, "band_low"), "band, lower edge", ref="C"))
        .with_target(query(limit(policy, "band_high"), "band, upper edge", ref="D"))
        .decimals(3)
        .unit("none")
        .no_value("no Φ in this time")
        .axis_soft_min(round(policy.target - 5 * policy.tolerance, 6))
        .axis_soft_max(round(policy.target + 5 * policy.tolerance, 6))
        .thresholds(thresholds((None, RED), (policy.band_low, GREEN), (policy.band_high, RED)))
        .thresholds_style(model.area())
        .override_by_query("B", limit_line(GREEN))
        .override_by_query("C", limit_line(GREY))
        .override_by_query("D", limit_line(GREY))
    )
    words = (
        "Φ over time. The green area is the band that the dashboard was built for, the dashed "
        "lines are the policy in force. A gap is a time without a fresh Φ. Marks are alerts and "
        "doses."
    )
    return place(panel, PanelId.HISTORY, "Φ and its band", words, 0, 10, 24, 9)


def derivatives(policy: Policy) -> timeseries.Panel:
    """The slopes of Φ between plus and minus the Soft-Steer limit."""
    series = f"{catalogue.COHERENCE_DERIVATIVE.series}{{{INSTANCE}}}"
    rate = limit(policy, "rate")
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(fresh(series, policy.fresh_seconds), "{{window}} {{instance}}"))
        .with_target(query(rate, "limit", ref="B"))
        .with_target(query(f"-{rate}", "-limit", ref="C"))
        .decimals(4)
        .unit("none")
        .no_value("no Φ in this time")
        .axis_label("Φ per minute")
        .axis_soft_min(-2 * policy.max_rate_per_minute)
        .axis_soft_max(2 * policy.max_rate_per_minute)
        .override_by_query("B", limit_line())
        .override_by_query("C", limit_line())
    )
    words = (
        "Least-squares slope of Φ per MINUTE over 30 s, 60 s and 300 s. Soft-Steer alerts when the "
        f"60 s slope stays beyond the dashed limits for {policy.rate_hold_seconds} s."
    )
    return place(panel, PanelId.DERIVATIVES, "dΦ/dt", words, 0, 19, 24, 8)
