"""The figures of the alerts as the notifier takes them: shown in order, drawn with limits."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import promql_parser
import pytest

from notifier.alerts import Alert as Observed
from notifier.alerts import AlertStatus, Notification
from notifier.incident.model import Incident, IncidentAlert, Phase
from notifier.incident.step import Step, step
from notifier.render import RenderContext
from notifier.render.card import card
from notifier.render.chart import ChartPlan, chart_plan
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules
from wiltonos_otel.stack.rules_coherence import PHI, STEER
from wiltonos_otel.stack.rules_model import Alert, fresh

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy()
SEEN = fresh(PHI, POLICY.fresh_seconds)
ALERTS = {alert.name: alert for alert in rules.alerts(POLICY)}
DRAWN = [alert for alert in ALERTS.values() if "chart_expr" in alert.figures]
SLOPES = ["derivative_30s", "derivative_60s", "derivative_300s"]
LOOP = ["worst_loop", "pressure"]


def _incident(alert: Alert, shown: str) -> Incident:
    """The alert as it arrives; what its templates make of a series is ``shown``."""
    made = alert.rule("http://notifier/runbooks")["annotations"]
    annotations = {name: shown if "{{" in text else text for name, text in made.items()}
    fired = IncidentAlert(
        fingerprint="f",
        status=AlertStatus.FIRING,
        labels={"alertname": alert.name, "job": "j", "instance": "a"},
        annotations=annotations,
        starts_at=NOW,
        ends_at=None,
        group_key="g",
        generator_url="",
    )
    return Incident(
        id="1",
        receiver="notifier",
        key="k",
        group_keys=("g",),
        labels={},
        phase=Phase.FIRING,
        revision=1,
        opened_at=NOW,
        resolved_at=None,
        alerts=(fired,),
    )


def _shown(name: str, figure: str) -> list[str]:
    said = card(_incident(ALERTS[name], figure), RenderContext(now=NOW))
    return [key for key, _ in said.values]


def _plan(name: str) -> ChartPlan:
    plan = chart_plan(_incident(ALERTS[name], "0.5"), RenderContext(now=NOW))
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("WiltonosSoftSteer", ["value", "limit", "phi", "band", *SLOPES, *LOOP]),
        ("WiltonosPhiJump", ["value", "phi", "band", *SLOPES, *LOOP]),
        ("WiltonosPhiOutOfBand", ["value", "limit", *SLOPES, *LOOP]),
        ("WiltonosLoopPressureHigh", ["value", "limit", "phi", "band"]),
        ("WiltonosSourceStale", ["value", "limit"]),
        ("WiltonosPhiAbsent", []),
        ("WiltonosPhiDrifting", ["value", "limit", "phi", "band", *SLOPES, *LOOP]),
        ("WiltonosSustainedGoodBurn", ["value"]),
    ],
)
def test_a_message_shows_the_figures_and_no_expression(name: str, figures: list[str]) -> None:
    """What helps to judge the alert, in the notifier's own order."""
    assert _shown(name, "0.5") == figures


def test_figures_without_a_series_are_left_out() -> None:
    """A service that reports Φ alone costs the message its slopes and its loops."""
    assert _shown("WiltonosPhiOutOfBand", "") == ["limit"]


@pytest.mark.parametrize(
    ("name", "drawn", "low", "high"),
    [
        ("WiltonosSoftSteer", fresh(STEER, POLICY.fresh_seconds), -0.04, 0.04),
        ("WiltonosPhiJump", SEEN, 0.73, 0.77),
        ("WiltonosPhiOutOfBand", SEEN, 0.73, 0.77),
        ("WiltonosPhiAbsent", SEEN, 0.73, 0.77),
        (
            "WiltonosSustainedGoodBurn",
            "last_over_time(instance:wiltonos_sustained_good:avg5m[15s])",
            0.95,
            None,
        ),
    ],
)
def test_a_chart_draws_the_signal_between_its_limits(
    name: str, drawn: str, low: float | None, high: float | None
) -> None:
    """Φ is drawn in its band, a slope between both signs of its limit, a share above its goal."""
    plan = _plan(name)
    assert (plan.expression, plan.low, plan.high) == (drawn, low, high)


@pytest.mark.parametrize("alert", DRAWN, ids=lambda alert: alert.name)
def test_what_is_drawn_is_promql(alert: Alert) -> None:
    """The expression parses as it stands."""
    promql_parser.parse(alert.figures["chart_expr"])


def test_figures_follow_the_policy() -> None:
    """Other windows, another band, another age: no figure of the defaults is left."""
    policy = Policy(target=0.6, windows_seconds=(45, 60), fresh_seconds=7)
    alerts = {alert.name: alert for alert in rules.alerts(policy)}
    figures = alerts["WiltonosPhiJump"].figures
    assert {name for name in figures if name.startswith("derivative")} == {
        "derivative_45s",
        "derivative_60s",
    }
    assert figures["band"] == "0.58 to 0.62"
    assert all("[7s]" in text for text in figures.values() if "query" in text)


def _observed(before: Incident | None, annotations: Mapping[str, str], second: int) -> Step:
    alert = Observed("f", AlertStatus.FIRING, {"alertname": "A"}, annotations, NOW)
    said = Notification("notifier", "g", {"alertname": "A"}, (alert,))
    return step(before, said, (), NOW + timedelta(seconds=second), 600, lambda: "1")


def test_other_figures_of_the_same_alert_are_no_news() -> None:
    """Figures change with each evaluation; a message is not edited for that."""
    first = _observed(None, {"value": "0.801", "phi": "0.801"}, 1)
    again = _observed(first.incident, {"value": "0.812", "phi": ""}, 11)
    assert first.changed
    assert not again.changed
    assert first.incident
    assert again.incident
    assert again.incident.revision == first.incident.revision
