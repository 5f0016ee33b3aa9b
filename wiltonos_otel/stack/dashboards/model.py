"""A thin layer over grafana-foundation-sdk: what all our panels share, and its corrections.

The SDK (0.0.21) is typed and knows every panel option; what it writes is put right here: it hides
links and annotations in a menu (``placement``), adds noise to variables and states a schema
version that older Grafanas do not know.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from wiltonos_otel.stack.panels import LongevityPanelId, PanelId

# loads unmigrated in Grafana 9.4 and migrates by itself in 13; 40 to 42 change nothing we use
SCHEMA_VERSION = 39
COLUMNS = 24
REFRESH = "5s"
GREEN, YELLOW, RED, BLUE, GREY, PURPLE = "green", "yellow", "red", "blue", "#8e8e8e", "purple"

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# the Watchdog always fires; it says nothing about Φ
ALERTS = 'ALERTS{alertname=~"Wiltonos.*",alertname!="WiltonosWatchdog",alertstate="firing"}'

P = TypeVar("P", bound=Any)


def place(  # noqa: PLR0917 - the four numbers are a place
    panel: P,
    number: PanelId | LongevityPanelId,
    title: str,
    description: str,
    x: int,
    y: int,
    width: int,
    height: int,
) -> P:
    """Give a panel its number, its words and its place on the grid of 24 columns."""
    placed: P = (
        panel.id(int(number))
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .grid_pos(model.GridPos(h=height, w=width, x=x, y=y))
    )
    return placed


def query(
    expr: str,
    legend: str = "",
    *,
    ref: str = "A",
    instant: bool = False,
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> prometheus.Dataquery:
    """A query of a panel.

    Args:
        expr: PromQL.
        legend: name of its series.
        ref: letter of the query in its panel.
        instant: only the value at the end of the time range.
        form: as series, table or heatmap.
    """
    target = prometheus.Dataquery().datasource(DATASOURCE).expr(expr).ref_id(ref).format(form)
    target = target.legend_format(legend) if legend else target
    return target.instant() if instant else target.range()


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colours from a value upwards; the first step has no lower end."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def by_threshold() -> dashboard.FieldColor:
    """Colour a value by the threshold that it has passed."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def area() -> common.GraphThresholdsStyleConfig:
    """Draw thresholds as areas behind the lines."""
    return common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.AREA)


def lines(panel: P) -> P:
    """How all our graphs draw: lines without points, gaps stay gaps, all values in one tooltip."""
    drawn: P = (
        panel.line_width(2)
        .line_interpolation(LineInterpolation.LINEAR)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    return drawn


def last() -> common.ReduceDataOptions:
    """Show the newest value only."""
    return common.ReduceDataOptions().values(False).calcs(["lastNotNull"]).fields("")


def style(**properties: object) -> list[model.DynamicConfigValue]:
    """Properties of an override, by name with ``__`` for a dot."""
    return [
        model.DynamicConfigValue(id_val=name.replace("__", "."), value=value)
        for name, value in properties.items()
    ]


def fixed(colour: str) -> dict[str, str]:
    """A colour of its own for a series."""
    return {"mode": "fixed", "fixedColor": colour}


def limit_line(colour: str = RED) -> list[model.DynamicConfigValue]:
    """A limit is a thin dashed line."""
    return style(
        color=fixed(colour),
        custom__lineWidth=1,
        custom__fillOpacity=0,
        custom__lineStyle={"fill": "dash", "dash": [8, 8]},
    )


def choice(name: str, label: str, series: str, attribute: str) -> dashboard.QueryVariable:
    """A variable over the values of a label: several, or all."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(f"Which {attribute} to show.")
        .datasource(DATASOURCE)
        .query(f"label_values({series}, {attribute})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def datasource_variable() -> dashboard.DatasourceVariable:
    """The Prometheus that all queries go to."""
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that holds the metrics.")
        .type("prometheus")
    )


def annotation(
    name: str, expr: str, *, colour: str, title: str, text: str, tags: str
) -> dashboard.AnnotationQuery:
    """Marks on every graph, from a query that has a value while something is the case."""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(colour)
        .expr(expr)
        .step("60s")
        .title_format(title)
        .text_format(text)
        .tag_keys(tags)
    )


def alert_annotation() -> dashboard.AnnotationQuery:
    """Where and how long our alerts fired."""
    text = "{{severity}} on {{instance}} {{loop}}"
    return annotation(
        "Alerts", ALERTS, colour=RED, title="{{alertname}}", text=text, tags="alertname,severity"
    )


def link(title: str, uid: str) -> dashboard.DashboardLink:
    """A link to another dashboard that keeps the time range."""
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .icon("dashboard")
        .tooltip(title)
        .url(f"/d/{uid}")
        .keep_time(True)
    )


def board(uid: str, title: str, description: str, variables: Sequence[Any]) -> dashboard.Dashboard:
    """What both dashboards share; panels, links and annotations come later."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["wiltonos"])
        .timezone("browser")
        .readonly()
        .refresh(REFRESH)
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables([datasource_variable(), *variables])
    )


def to_json(builder: dashboard.Dashboard) -> str:
    """The dashboard as Grafana reads it, corrected; the same text for the same dashboard."""
    document = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    document["schemaVersion"] = SCHEMA_VERSION
    document["version"] = 1
    for panel in document["panels"]:
        # says nothing without a repeat
        panel.pop("repeatDirection", None)
    for linked in (document, *document["panels"]):
        for entry in linked.get("links", []):
            entry.pop("placement", None)
    for entry in document["annotations"]["list"]:
        entry.pop("placement", None)
    for variable in document["templating"]["list"]:
        for noise in ("auto", "auto_count", "auto_min", "skipUrlSync", "regexApplyTo"):
            variable.pop(noise, None)
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
