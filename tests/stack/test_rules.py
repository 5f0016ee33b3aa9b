"""The rules: complete, linked, in words, and made of the policy and of nothing else."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.instruments.catalogue import CATALOGUE, Kind
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules, rules_notifier, rules_pipeline
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import Alert, Record, Severity, number

ROOT = Path(__file__).parent.parent.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTS = list(rules.alerts(Policy()))
GAUGES = {row.series for row in CATALOGUE if row.kind is Kind.OBSERVABLE_GAUGE} | {
    rules_notifier.BACKLOG_AGE,
    rules_notifier.DEAD_LETTERS,
    rules_notifier.CHANNEL_STOPPED,
    rules_notifier.CONFIG_REFUSED,
}
COUNTERS = {
    rules_notifier.ATTEMPTS,
    rules_notifier.DUPLICATES,
    rules_notifier.TEMPLATE_FAILURES,
    rules_notifier.RATE_LIMIT_WAIT,
    rules_notifier.REFUSED,
    f"{rules_notifier.LATENCY}_bucket",
    f"{rules_notifier.LATENCY}_count",
}
# what Prometheus itself and the scraped Collector bring
SCRAPED = {
    "ALERTS",
    "up",
    rules_pipeline.REFUSED,
    rules_pipeline.SEND_FAILED,
    rules_pipeline.QUEUE_SIZE,
    rules_pipeline.QUEUE_CAPACITY,
}


def _id(rule: Alert | Record) -> str:
    return f"{rule.name}-{rule.labels.get('burn', '')}" if isinstance(rule, Alert) else rule.name


def _all_rules() -> list[Alert | Record]:
    return [rule for group in rules.groups(Policy()) for rule in group.rules]


def _selectors(expr: promql_parser.Expr, *, ranged: bool = False) -> Iterator[tuple[str, bool]]:
    """Every metric that the expression reads, and whether through a range of time."""
    match expr:
        case promql_parser.VectorSelector():
            yield expr.name or "", ranged
        case promql_parser.MatrixSelector():
            yield expr.vector_selector.name or "", True
        case promql_parser.SubqueryExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _selectors(expr.expr, ranged=isinstance(expr, promql_parser.SubqueryExpr))
        case promql_parser.AggregateExpr():
            yield from _selectors(expr.expr)
        case promql_parser.BinaryExpr():
            yield from _selectors(expr.lhs)
            yield from _selectors(expr.rhs)
        case promql_parser.Call():
            for argument in expr.args:
                yield from _selectors(argument)


@pytest.mark.parametrize("rule", _all_rules(), ids=_id)
def test_every_rule_reads_known_series_and_gauges_through_a_range(rule: Alert | Record) -> None:
    """A pushed gauge stays visible for five minutes, so no rule reads one as it stands."""
    recorded = {each.name for each in _all_rules() if isinstance(each, Record)}
    for name, ranged in _selectors(promql_parser.parse(rule.expr)):
        if name == "":
            # the one selector over all our names
            assert rule.name == "WiltonosAttributeOverflow"
            continue
        assert name in GAUGES | COUNTERS | SCRAPED | recorded
        assert ranged or name not in GAUGES, name


@pytest.mark.parametrize("alert", ALERTS, ids=_id)
def test_every_alert_says_how_bad_what_and_where(alert: Alert) -> None:
    """Severity, words with figures, a runbook and a panel belong to every alert."""
    rule = alert.rule("http://notifier/runbooks")
    assert rule["labels"]["severity"] in {each.value for each in Severity}
    notes = rule["annotations"]
    assert alert.name.startswith("Wiltonos")
    assert notes["runbook_url"] == f"http://notifier/runbooks/{alert.name}"
    assert notes["__dashboardUid__"] == "wiltonos-coherence"
    assert int(notes["__panelId__"]) in {panel.value for panel in PanelId}
    assert len(notes["summary"]) <= 120
    assert notes["description"].endswith(".")


@pytest.mark.parametrize("alert", ALERTS, ids=_id)
def test_every_alert_has_a_runbook_with_meaning_and_steps(alert: Alert) -> None:
    """Somebody who is woken finds what it means, what to check and what to do."""
    text = (RUNBOOKS / f"{alert.name}.md").read_text("utf-8")
    assert text.startswith(f"# {alert.name}\n")
    for heading in ("## Meaning", "## Check", "## Mend", "## Ends"):
        assert f"\n{heading}\n" in text


def test_every_runbook_belongs_to_an_alert() -> None:
    """No runbook outlives its alert; README.md lists them all."""
    names = {alert.name for alert in ALERTS}
    files = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert files == names
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    assert {name for name in names if f"({name}.md)" not in index} == set()


@pytest.mark.parametrize("alert", ALERTS, ids=_id)
def test_every_alert_is_made_to_fire_by_a_unit_test(alert: Alert) -> None:
    """The unit tests expect each alert at least once."""
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests/stack/rules").glob("*.yml"))
    fired = re.findall(r"exp_samples:.*?(?=eval_time|promql|alert_rule|\Z)", tests, re.DOTALL)
    expected = [text for text in fired if alert.name in text]
    by_rule = re.findall(rf"alertname: {alert.name}\n\s+eval_time: \S+\n\s+exp_alerts:\n", tests)
    assert (
        expected or by_rule or (alert.labels and f'{{severity="{alert.severity.value}"}}' in tests)
    )


def test_thresholds_come_from_the_policy() -> None:
    """Every key of the policy that bounds something is found in the rules as its own literal."""
    policy = Policy(
        target=0.61,
        tolerance=0.016,
        max_rate_per_minute=0.031,
        rate_hold_seconds=33,
        band_hold_seconds=77,
        max_jump=0.0451,
        jump_hold_seconds=3,
        loop_pressure_limit=0.0512,
        fresh_seconds=17,
        sustained_good_objective=0.97,
    )
    text = rules.to_yaml(policy, stale_after_seconds=91, runbooks="http://r")
    for literal in (
        "> 0.626", "< 0.594", "> 0.62", "< 0.6", "> 0.031", "for: 33s", "for: 77s", "> 0.0451",
        "offset 3s", "for: 3s", "> 0.0512", "[17s]", "> 91", "> 0.432", "> 0.18", "97 % good",
    ):  # fmt: skip
        assert literal in text, literal
    assert "0.75" not in text
    assert "[15s]" not in text.replace("[15s] offset", "")


def test_a_generous_objective_still_leaves_an_alert_that_can_fire() -> None:
    """14.4 times a budget of 10 % is more than the whole: the demand stops below it."""
    text = rules.to_yaml(
        replace(Policy(), sustained_good_objective=0.9), stale_after_seconds=60, runbooks="http://r"
    )
    shares = [float(share) for share in re.findall(r"1 - avg_over_time\(.*\) > ([0-9.]+)", text)]
    assert max(shares) == 0.9
    assert min(shares) == 0.1


@given(st.decimals(min_value="0.000001", max_value="100000", places=6))
def test_numbers_are_written_as_the_decimals_they_are(value: Decimal) -> None:
    """No exponent, no binary remainder: 0.77 is 0.77."""
    text = number(float(value))
    assert Decimal(text) == value
    assert re.fullmatch(r"[0-9]+(\.[0-9]*[1-9])?", text)


def test_the_file_says_what_made_it_and_is_the_same_every_time() -> None:
    """Generated, deterministic, and YAML that reads back as the model."""
    text = rules.to_yaml(Policy(), stale_after_seconds=60, runbooks="http://r")
    assert text == rules.to_yaml(Policy(), stale_after_seconds=60.0, runbooks="http://r")
    assert text.startswith("# Made by `wt rules build`")
    read = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert [rule.get("alert", rule.get("record")) for rule in read] == [
        rule.name for rule in _all_rules()
    ]
