"""The page of alerts, from the rules under the default policy."""

from collections.abc import Sequence

from wiltonos_otel.policy import Policy
from wiltonos_otel.reference.markdown import code, page, table
from wiltonos_otel.stack import rules
from wiltonos_otel.stack.rules_model import Alert
from wiltonos_service.reference import Package

INTRODUCTION = """\
Conditions and holds are those of the default policy; [`[coherence]`](configuration.md) changes
them, and `wt rules build` writes the rules anew. An alert fires when its condition has held for
"holds" and outlives it by "keeps", so that a value at the very edge is one alert."""
_BY_ITSELF = """\
Raised without Prometheus, so that they arrive when it is the one that is down."""


def render(packages: Sequence[Package]) -> str:
    """The page."""
    alerts = list(rules.alerts(Policy()))
    own = [
        [row.name, row.severity, row.condition] for package in packages for row in package.alerts
    ]
    overview = table(
        ["alert", "severity", "holds", "keeps", "summary"], [_overview(a) for a in alerts]
    )
    return page(
        "Alerts",
        INTRODUCTION,
        overview,
        f"## By the notifier itself\n\n{_BY_ITSELF}\n\n"
        + table(["alert", "severity", "when"], own),
        "## Conditions",
        *(_condition(alert) for alert in alerts),
    )


def _link(name: str) -> str:
    return f"[{name}](../runbooks/{name}.md)"


def _seconds(seconds: int) -> str:
    return f"{seconds} s" if seconds else "–"


def _overview(alert: Alert) -> list[str]:
    return [
        _link(alert.name),
        alert.severity.value,
        _seconds(alert.hold_seconds),
        _seconds(alert.keep_seconds),
        code(alert.summary),
    ]


def _condition(alert: Alert) -> str:
    return f"### {alert.name} ({alert.severity.value})\n\n```promql\n{alert.expr}\n```"
