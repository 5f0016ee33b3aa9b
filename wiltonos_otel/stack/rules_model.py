"""Prometheus rules as values, and the PromQL that all of them share."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from wiltonos_otel.stack.panels import COHERENCE_DASHBOARD, PanelId

# Grafana's own annotation names: the link from an alert to its panel
DASHBOARD_ANNOTATION = "__dashboardUid__"
PANEL_ANNOTATION = "__panelId__"


class Severity(Enum):
    """How bad an alert is; becomes the label ``severity``."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule.

    Attributes:
        name: CamelCase, begins with ``Wiltonos``; names its runbook.
        expr: PromQL.
        severity: how bad it is.
        summary: one line; may use Prometheus templates.
        description: what it means, with the figures; may use Prometheus templates.
        panel: the panel that shows it.
        hold_seconds: how long the condition must last (``for``).
        keep_seconds: how long the alert outlives the condition (``keep_firing_for``).
        labels: further labels.
        figures: further annotations; what a message shows as values and draws as a chart.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    panel: PanelId
    hold_seconds: int = 0
    keep_seconds: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    def rule(self, runbooks: str) -> dict[str, Any]:
        """The rule as Prometheus reads it.

        Args:
            runbooks: URL under which the runbooks are, one per alert name.
        """
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expr}
        if self.hold_seconds:
            rule["for"] = f"{self.hold_seconds}s"
        if self.keep_seconds:
            rule["keep_firing_for"] = f"{self.keep_seconds}s"
        return rule | {
            "labels": {"severity": self.severity.value, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                **self.figures,
                "runbook_url": f"{runbooks}/{self.name}",
                DASHBOARD_ANNOTATION: COHERENCE_DASHBOARD,
                PANEL_ANNOTATION: str(int(self.panel)),
            },
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule; its name is level:metric:operations."""

    name: str
    expr: str

    def rule(self, runbooks: str) -> dict[str, Any]:  # noqa: ARG002 - one signature for both kinds
        """The rule as Prometheus reads it."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, one after the other."""

    name: str
    interval_seconds: int
    rules: tuple[Alert | Record, ...]


def number(value: float) -> str:
    """The shortest decimal literal of a value, never with an exponent."""
    return format(Decimal(str(value)).normalize(), "f")


def fresh(series: str, seconds: int, *, offset_seconds: int = 0) -> str:
    """A gauge's value now, or nothing when its newest sample is older than ``seconds``.

    A gauge that is no longer pushed stays visible for five minutes otherwise: OTLP carries no
    staleness markers.
    """
    offset = f" offset {offset_seconds}s" if offset_seconds else ""
    return f"last_over_time({series}[{seconds}s]{offset})"
