"""What a chart shows."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.alerts import AlertStatus
from notifier.incident.model import Phase
from notifier.render import RenderContext
from notifier.render.chart import chart_plan, split_comparison

PHI = "last_over_time(wiltonos_quantum_coherence_ratio[15s])"


@pytest.mark.parametrize(
    ("expression", "drawn", "low", "high"),
    [
        ("up", "up", None, None),
        ("up > 0.77", "up", None, 0.77),
        ("up <= -1", "up", -1.0, None),
        ("up == 0", "up", None, None),
        ('up{job!="x"} != 1 and y', 'up{job!="x"}', None, None),
        (f"{PHI} > 0.77\nor {PHI} < 0.73", PHI, 0.73, 0.77),
        (f"({PHI} > 0.77 or {PHI} < 0.73) and on (job) x", PHI, 0.73, 0.77),
        (f"{PHI} > 0.77 or y < 0.1", PHI, None, 0.77),
        (f"{PHI} > 0.77 or (y and z unless u)", PHI, None, 0.77),
        ("abs(\n  a - b\n) > 0.04\nand on (job) count(c) >= 2", "abs(\n  a - b\n)", None, 0.04),
        ("time() - (x > 0) > 60", "time() - (x > 0)", None, 60.0),
        ("rate(x[5m]) > bool 2", "rate(x[5m])", None, 2.0),
        ('x{l="a or b > 3"} > 2', 'x{l="a or b > 3"}', None, 2.0),
        ("x > y", "x > y", None, None),
        ("(x", "(x", None, None),
        ("", "", None, None),
    ],
)
def test_a_comparison_becomes_line_and_limits(
    expression: str, drawn: str, low: float | None, high: float | None
) -> None:
    """What is compared is drawn, what it is compared with is the edge."""
    assert split_comparison(expression) == (drawn, low, high)


@given(st.text("(){}[]\"'`\\ax<>=1 ", max_size=60) | st.text(max_size=60))
def test_no_expression_is_an_accident(expression: str) -> None:
    """Somebody else wrote it: what is drawn is always a part of it, limits come from it."""
    drawn, low, high = split_comparison(expression)
    assert drawn in expression
    assert (low, high) == (None, None) or drawn != expression.strip()


@pytest.mark.parametrize(
    "expression",
    ["x " + "or " * 3900, "(" * 1500 + "a" + ") and 1" * 1500, '"' + '\\" or ' * 2300],
    ids=["operators", "brackets", "quotes"],
)
def test_a_hostile_expression_holds_nothing_up(expression: str) -> None:
    """It is read where webhooks are taken, so it must not take longer than its length says."""
    begun = time.process_time()
    split_comparison(expression)
    assert time.process_time() - begun < 0.5


def test_a_plan_covers_the_incident_and_what_led_to_it(
    incident: Any, context: RenderContext
) -> None:
    """Ten minutes before, until now; after the end, a little beyond it."""
    plan = chart_plan(incident(), context)
    assert plan is not None
    assert (plan.start, plan.end) == (incident().opened_at - timedelta(minutes=10), context.now)
    assert (plan.low, plan.high) == (0.73, 0.77)
    assert plan.labels == {"job": "wiltonos-exporter", "instance": "ship-1"}
    assert plan.alt == "Φ is above its band: the alert's expression from 02:50 UTC to 03:04 UTC"
    over = incident(phase=Phase.RESOLVED, resolved_at=context.now)
    later = chart_plan(over, replace(context, now=context.now + timedelta(hours=9)))
    assert later is not None
    assert later.end == context.now + timedelta(minutes=2)


def test_an_alert_may_name_its_own_expression_and_limits(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Annotations win over the rule's expression; one number is an upper limit."""
    made = incident(alert(annotations={"chart_expr": "phi", "limit": "at most 0.05"}))
    plan = chart_plan(made, context)
    assert plan is not None
    assert (plan.expression, plan.low, plan.high) == ("phi", None, 0.05)


@pytest.mark.parametrize(
    ("limit", "band"),
    [
        ("0.73–0.77", (0.73, 0.77)),
        ("0.73-0.77", (0.73, 0.77)),
        ("0.73..0.77", (0.73, 0.77)),
        ("-0.04 to 0.04 per minute", (-0.04, 0.04)),
        ("60 s", (None, 60.0)),
        ("p95 of all", (None, None)),
        ("1, 2 or 3", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_band_is_read_as_people_write_it(
    incident: Any, alert: Any, context: RenderContext, limit: str, band: Any
) -> None:
    """Two numbers are a band, one is an upper limit, anything else is none."""
    plan = chart_plan(incident(alert(annotations={"limit": limit})), context)
    assert plan is not None
    assert (plan.low, plan.high) == band


def test_limits_of_the_expression_win_over_words(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """The words may be in another unit than the lines."""
    made = incident(alert(annotations={"chart_expr": "disk > 0.8", "limit": "80 %"}))
    plan = chart_plan(made, context)
    assert plan is not None
    assert (plan.expression, plan.low, plan.high) == ("disk", None, 0.8)


def test_the_worst_alert_is_drawn(incident: Any, alert: Any, context: RenderContext) -> None:
    """What fires goes before what is over; among the firing the worst, then the newest."""

    def made(name: str, severity: str, **more: Any) -> Any:
        labels = {"alertname": name, "severity": severity}
        return alert(labels=labels, annotations={"chart_expr": name}, fingerprint=name, **more)

    over = {"status": AlertStatus.RESOLVED, "ends_at": context.now}
    alerts = (
        made("minor", "info"),
        made("worst", "critical"),
        made("worse_but_over", "page", **over),
    )
    plan = chart_plan(incident(*alerts), context)
    assert plan is not None
    assert plan.expression == "worst"


def test_without_an_expression_there_is_no_chart(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Grafana's alerts, for example."""
    for address in ("", "http://grafana/alerting/1/view", "http://[::1"):
        assert chart_plan(incident(alert(generator_url=address)), context) is None
    assert chart_plan(replace(incident(), alerts=()), context) is None
