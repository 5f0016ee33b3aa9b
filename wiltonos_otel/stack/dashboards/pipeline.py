"""Panels about the pipe: what fires, whether sources live, whether anything is lost."""

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules_notifier
from wiltonos_otel.stack import rules_pipeline as rules
from wiltonos_otel.stack.dashboards import model
from wiltonos_otel.stack.dashboards.model import GREEN, RED, YELLOW, place, query, style, thresholds
from wiltonos_otel.stack.dashboards.signal import INSTANCE
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import fresh

# what each service of ours says about its own pushes
LOST_EXPORTS = "wiltonos_telemetry_lost_exports_total"
FAILED_EXPORTS = "wiltonos_telemetry_failed_exports_total"
HIDDEN = ("Time", "Value", "__name__", "alertstate", "job")


def alerts() -> table.Panel:
    """What fires now."""
    panel = (
        table.Panel()
        .with_target(query(model.ALERTS, instant=True, form=PromQueryFormat.TABLE))
        .with_transformation(
            dashboard.DataTransformerConfig(
                id_val="organize", options={"excludeByName": dict.fromkeys(HIDDEN, True)}
            )
        )
        .unit("none")
        .no_value("nothing fires")
        .show_header(True)
    )
    words = "Alerts that fire now, without the Watchdog, which always does."
    return place(panel, PanelId.ALERTS, "Firing alerts", words, 15, 1, 9, 8)


def sources(policy: Policy) -> timeseries.Panel:
    """How old the newest sample of each source is, and what was refused."""
    newest = fresh(f"{catalogue.SOURCE_LAST_SAMPLE.series}{{{INSTANCE}}}", policy.fresh_seconds)
    errors = f"{catalogue.SOURCE_ERRORS.series}{{{INSTANCE}}}"
    panel = (
        model.lines(timeseries.Panel())
        .with_target(query(f"time() - ({newest} > 0)", "age of {{source}}"))
        .with_target(
            query(
                # every reason is announced with 0, and would stand in the legend
                f"sum by (source, reason) (increase({errors}[$__rate_interval])) > 0",
                "{{source}}: {{reason}}",
                ref="B",
            )
        )
        .min(0)
        .unit("s")
        .no_value("no source in this time")
        .override_by_query(
            "B", style(unit="short", custom__axisPlacement="right", custom__drawStyle="bars")
        )
    )
    words = (
        "Left: seconds since the newest good sample of each source. Right: samples that were "
        "refused, by reason. A refused file keeps its last good value until that is stale."
    )
    return place(panel, PanelId.SOURCES, "Sources", words, 0, 44, 12, 8)


def health(policy: Policy) -> stat.Panel:
    """One number per way in which the pipe can fail; each should be 0."""
    channels = fresh(rules_notifier.CHANNEL_STOPPED, policy.fresh_seconds)
    numbers = {
        "Collector queue": _queue_share(),
        "refused points/s": f"sum(rate({rules.REFUSED}[$__rate_interval]))",
        # this counter appears with its first event
        "lost points/s": (
            f"sum(rate({rules.SEND_FAILED}[$__rate_interval])) or 0 * sum({rules.QUEUE_SIZE})"
        ),
        "failed pushes": f"sum(increase({FAILED_EXPORTS}[$__range]))",
        "lost pushes": f"sum(increase({LOST_EXPORTS}[$__range]))",
        "oldest waiting message": f"max({fresh(rules_notifier.BACKLOG_AGE, policy.fresh_seconds)})",
        "dead letters": f"sum({fresh(rules_notifier.DEAD_LETTERS, policy.fresh_seconds)})",
        "stopped channels": f"sum({channels})",
    }
    panel = stat.Panel()
    for ref, (name, expr) in zip("ABCDEFGH", numbers.items(), strict=True):
        panel = panel.with_target(query(expr, name, ref=ref, instant=True))
    panel = (
        panel.min(0)
        .decimals(0)
        .unit("short")
        .no_value("not reported")
        .thresholds(thresholds((None, GREEN), (1e-9, YELLOW), (1, RED)))
        .color_scheme(model.by_threshold())
        .reduce_options(model.last())
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .orientation(VizOrientation.AUTO)
        .override_by_query("A", style(unit="percentunit", thresholds=_steps(0.1, 0.5)))
        .override_by_query("B", style(decimals=1))
        .override_by_query("C", style(decimals=1))
        .override_by_query(
            "F", style(unit="s", thresholds=_steps(15, rules_notifier.BACKLOG_AGE_LIMIT_SECONDS))
        )
    )
    words = (
        "What the pipe says about itself, from the services through the Collector to the chats. "
        "All green: nothing was refused, lost or left waiting."
    )
    return place(panel, PanelId.PIPELINE, "Pipeline", words, 12, 44, 12, 8)


def _queue_share() -> str:
    on = "on (job, instance, exporter, data_type)"
    return f'max({rules.QUEUE_SIZE}{{data_type="metrics"}} / {on} {rules.QUEUE_CAPACITY})'


def _steps(yellow: float, red: float) -> object:
    return {
        "mode": "absolute",
        "steps": [
            {"color": GREEN, "value": None},
            {"color": YELLOW, "value": yellow},
            {"color": RED, "value": red},
        ],
    }
