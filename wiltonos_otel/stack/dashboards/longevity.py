"""The WiltonOS Longevity Metrics Dashboard: what was taken, how much, and what Φ did."""

from grafana_foundation_sdk.builders import bargauge, common, dashboard, text, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    GraphDrawStyle,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableSort
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.dashboards import doses, model
from wiltonos_otel.stack.dashboards.model import BLUE, PURPLE, place, query, style, thresholds
from wiltonos_otel.stack.dashboards.signal import PHI
from wiltonos_otel.stack.panels import COHERENCE_DASHBOARD, LONGEVITY_DASHBOARD, LongevityPanelId
from wiltonos_otel.stack.rules_model import fresh

TITLE = "WiltonOS Longevity Metrics Dashboard"
# the same words as the diary's own (wiltonos_otel.longevity.dose), which needs no Grafana
DISCLAIMER = "A diary and a statistics exercise; no medical device, no medical advice."
COMPOUND = 'compound=~"$compound"'
# a dose is a rare event: bars narrower than this could not be seen
STEP = "1m"
NO_DOSE = "no dose in this time"


def build(policy: Policy) -> dashboard.Dashboard:
    """The dashboard for a policy."""
    board = model.board(
        LONGEVITY_DASHBOARD,
        TITLE,
        f"Doses that were recorded in the diary, and Φ beside them. {DISCLAIMER}",
        [
            model.choice("compound", "Compound", doses.DOSES, "compound"),
            _unit(),
            model.choice("instance", "Instance of Φ", catalogue.COHERENCE_RATIO.series, "instance"),
        ],
    )
    board = board.time("now-7d", "now").refresh("1m")
    board = (
        board.link(model.link("Quantum coherence", COHERENCE_DASHBOARD))
        .annotation(model.alert_annotation())
        .annotation(doses.dose_annotation())
    )
    for panel in (_compounds(), _amounts(), _against_phi(policy), _doses(), _about()):
        board = board.with_panel(panel)
    return board


def _unit() -> dashboard.QueryVariable:
    """One unit at a time: mg and IU have no common scale."""
    counts = catalogue.DOSE_AMOUNT.sample_names[2]
    return (
        model.choice("unit", "Unit", counts, "unit")
        .multi(False)
        .include_all(False)
        .sort(VariableSort.ALPHABETICAL_DESC)
        .current(VariableOption(selected=True, text="mg", value="mg"))
    )


def _compounds() -> bargauge.Panel:
    expr = f"sort_desc({doses.in_range(f'{{{COMPOUND}}}')})"
    panel = _bars().with_target(query(expr, "{{compound}}", instant=True)).decimals(0)
    words = (
        "Doses recorded within the time range, by compound. A dose counts when it is recorded, "
        f"not when it was taken. {DISCLAIMER}"
    )
    return place(panel, LongevityPanelId.COMPOUNDS, "Doses by compound", words, 0, 0, 12, 9)


def _amounts() -> bargauge.Panel:
    buckets = catalogue.DOSE_AMOUNT.sample_names[0]
    expr = f'sum by (le) (increase({buckets}{{{COMPOUND},unit="$unit"}}[$__range]))'
    panel = (
        _bars()
        .with_target(query(expr, "{{le}}", instant=True, form=PromQueryFormat.HEATMAP))
        .decimals(0)
    )
    words = (
        "How large the recorded doses were: each bar counts the doses up to its amount in the "
        "chosen unit and above the one before. A withdrawn dose stays in this picture. "
        f"{DISCLAIMER}"
    )
    return place(panel, LongevityPanelId.DOSE_AMOUNT, "Dose amounts ($unit)", words, 12, 0, 12, 9)


def _against_phi(policy: Policy) -> timeseries.Panel:
    phi = f"avg({fresh(PHI, policy.fresh_seconds)})"
    panel = (
        model.lines(timeseries.Panel())
        .interval(STEP)
        .with_target(query(phi, "Φ"))
        .with_target(query(doses.in_step(f"{{{COMPOUND}}}"), "{{compound}}", ref="B"))
        .decimals(3)
        .unit("none")
        .no_value("neither Φ nor a dose in this time")
        .axis_soft_min(round(policy.target - 5 * policy.tolerance, 6))
        .axis_soft_max(round(policy.target + 5 * policy.tolerance, 6))
        .override_by_query("A", style(color=model.fixed(BLUE)))
        .override_by_query(
            "B",
            style(
                unit="short",
                decimals=0,
                min=0,
                custom__axisPlacement="right",
                custom__drawStyle="bars",
                custom__fillOpacity=70,
            ),
        )
    )
    words = (
        "Φ (left) and the doses recorded in each step (right). That two things follow each other "
        f"is no proof that one caused the other. {DISCLAIMER}"
    )
    return place(panel, LongevityPanelId.DOSES_AGAINST_PHI, "Doses against Φ", words, 0, 9, 24, 10)


def _doses() -> timeseries.Panel:
    panel = (
        model.lines(timeseries.Panel())
        .interval(STEP)
        .with_target(query(doses.in_step(f"{{{COMPOUND}}}"), "{{compound}}"))
        .min(0)
        .decimals(0)
        .unit("short")
        .no_value(NO_DOSE)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(70)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    )
    words = f"Doses recorded in each step, stacked by compound. {DISCLAIMER}"
    return place(panel, LongevityPanelId.DOSES, "Doses over time", words, 0, 19, 18, 8)


def _about() -> text.Panel:
    content = (
        f"{DISCLAIMER}\n\nRecord a dose: `wt longevity dose resveratrol 500 mg`. Sums and single "
        "entries: `wt longevity info`, `wt longevity list`. Notes never leave the diary."
    )
    panel = text.Panel().mode(TextMode.MARKDOWN).content(content)
    words = f"What this dashboard is. {DISCLAIMER}"
    return place(panel, LongevityPanelId.ABOUT, "About", words, 18, 19, 6, 8)


def _bars() -> bargauge.Panel:
    return (
        bargauge.Panel()
        .min(0)
        .unit("short")
        .no_value(NO_DOSE)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .thresholds(thresholds((None, PURPLE)))
        .color_scheme(model.by_threshold())
        .reduce_options(model.last())
    )
