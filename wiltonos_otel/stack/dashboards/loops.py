"""Panels about the loops: their pressure, their Φ, their collapses."""

from grafana_foundation_sdk.builders import common, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.dashboards import model
from wiltonos_otel.stack.dashboards.model import limit_line, place, query
from wiltonos_otel.stack.dashboards.signal import INSTANCE, limit
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import fresh

LOOPS = f'{{{INSTANCE},loop=~"$loop"}}'
# a graph with more lines than this cannot be read
SHOWN = 20


def pressure(policy: Policy) -> timeseries.Panel:
    """The loops furthest from their set-points."""
    series = fresh(f"{catalogue.LOOP_PRESSURE.series}{LOOPS}", policy.fresh_seconds)
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(f"topk({SHOWN}, {series})", "{{loop}}"))
        .with_target(query(limit(policy, "loop_pressure"), "limit", ref="B"))
        .min(0)
        .decimals(3)
        .unit("none")
        .no_value("no loop in this time")
        .legend(_table())
        .override_by_query("B", limit_line())
    )
    words = (
        f"Distance |Φ - Φ★| of each loop from its set-point, the {SHOWN} largest. A loop that "
        "stays beyond the dashed limit for a minute alerts, and may need a collapse."
    )
    return place(panel, PanelId.LOOP_PRESSURE, "Pressure by loop", words, 0, 28, 12, 9)


def coherence(policy: Policy) -> timeseries.Panel:
    """Φ of each loop."""
    series = fresh(f"{catalogue.LOOP_COHERENCE.series}{LOOPS}", policy.fresh_seconds)
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(series, "{{loop}}"))
        .decimals(3)
        .unit("none")
        .no_value("no loop in this time")
        .legend(_table())
    )
    words = "Φ of each loop. Choose loops above when there are too many to read."
    return place(panel, PanelId.LOOP_COHERENCE, "Φ by loop", words, 12, 28, 12, 9)


def collapses() -> timeseries.Panel:
    """Collapses by loop."""
    series = f"{catalogue.COLLAPSES.series}{LOOPS}"
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(f"sum by (loop) (increase({series}[$__rate_interval]))", "{{loop}}"))
        .min(0)
        .decimals(0)
        .unit("short")
        .no_value("no loop in this time")
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(60)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    )
    words = (
        "Collapse operations that reset a loop, over a sliding interval. One that happened while "
        "nobody watched is counted as soon as the exporter is back."
    )
    return place(panel, PanelId.COLLAPSES, "Collapses by loop", words, 0, 37, 24, 6)


def _table() -> common.VizLegendOptions:
    """The worst loop comes first."""
    return (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.RIGHT)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
        .sort_by("Last *")
        .sort_desc(True)
    )
