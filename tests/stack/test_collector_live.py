"""The real Collector between a sender and the real Prometheus: nothing lost, nobody harmed."""

import json
import signal
import time
import urllib.parse

import pytest

from tests.stack.conftest import NativeStack, gauge_request, get, push, wait_until
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules, rules_pipeline

pytestmark = pytest.mark.stack

NAME = "wiltonos.quantum_coherence.ratio"
SERIES = "wiltonos_quantum_coherence_ratio"
SETTLE_SECONDS = 20.0


def _now() -> int:
    """Unix milliseconds; Prometheus lives by the wall clock."""
    return time.time_ns() // 1_000_000


def _samples(stack: NativeStack, selector: str) -> list[tuple[int, float]]:
    """Every stored sample of the last hour, (Unix milliseconds, value)."""
    found = stack.query(f"{selector}[1h]")
    return [(round(at * 1000), float(value)) for each in found for at, value in each["values"]]


def _collector_metrics(stack: NativeStack) -> str:
    return get(f"{stack.ports.url('collector_metrics')}/metrics").decode()


def test_samples_keep_their_times(native_stack: NativeStack) -> None:
    """What Prometheus stores is when the sender measured, not when it was sent."""
    moments = {_now() - age: 0.7 + age / 1e6 for age in (40_500, 30_250, 20_125)}
    push(native_stack.otlp_url, gauge_request(NAME, moments, instance="times"))
    stored = wait_until(
        lambda: _samples(native_stack, f'{SERIES}{{instance="times"}}'), SETTLE_SECONDS, "samples"
    )
    assert stored == sorted(moments.items())


def test_an_outage_and_a_kill_lose_and_reorder_nothing(native_stack: NativeStack) -> None:
    """Prometheus away, the Collector killed with a full queue: all samples arrive, in order."""
    stack = native_stack
    stack.kill("prometheus", signal.SIGTERM)
    start = _now() - 120_000
    sent = {start + 1000 * second: second / 100 for second in range(60)}
    for moment, value in sent.items():
        push(stack.otlp_url, gauge_request(NAME, {moment: value}, instance="outage"))
    stack.kill("otelcol", signal.SIGKILL)
    stack.start("otelcol", "prometheus")
    selector = f'{SERIES}{{instance="outage"}}'
    wait_until(lambda: len(_samples(stack, selector)) == len(sent), SETTLE_SECONDS, "all samples")
    assert dict(_samples(stack, selector)) == sent
    (disordered,) = stack.query(
        'prometheus_tsdb_head_out_of_order_samples_appended_total{type="float"}'
    ) or [{"value": (0, "0")}]
    assert float(disordered["value"][1]) == 0


def test_a_sender_with_a_wrong_clock_harms_itself_only(native_stack: NativeStack) -> None:
    """Its points are lost, counted and told of; those of its neighbour arrive."""
    now = _now()
    push(native_stack.otlp_url, gauge_request(NAME, {now + 3_600_000: 0.75}, instance="ahead"))
    push(native_stack.otlp_url, gauge_request(NAME, {now: 0.75}, instance="neighbour"))
    wait_until(
        lambda: _samples(native_stack, f'{SERIES}{{instance="neighbour"}}'),
        SETTLE_SECONDS,
        "the neighbour's sample",
    )
    assert rules_pipeline.SEND_FAILED + "{" in _collector_metrics(native_stack)
    assert not _samples(native_stack, f'{SERIES}{{instance="ahead"}}')


def test_the_collector_has_the_metrics_that_the_rules_read(native_stack: NativeStack) -> None:
    """Names and labels on the real Collector are those of the rules, also after a scrape."""
    push(native_stack.otlp_url, gauge_request(NAME, {_now(): 0.75}, instance="names"))
    text = _collector_metrics(native_stack)
    for name in (
        rules_pipeline.REFUSED,
        rules_pipeline.QUEUE_SIZE,
        rules_pipeline.QUEUE_CAPACITY,
    ):
        assert f"\n{name}{{" in text
    fill = f"{rules_pipeline.QUEUE_SIZE} / {rules_pipeline.QUEUE_CAPACITY}"
    (ratio,) = wait_until(lambda: native_stack.query(fill), SETTLE_SECONDS, "a scrape")
    assert ratio["metric"]["job"] == "collector"
    assert 0 <= float(ratio["value"][1]) < 0.5


def test_prometheus_evaluates_every_rule_without_a_word(native_stack: NativeStack) -> None:
    """No error, no warning and no hint on the real engine; groups have the interval they state."""
    push(native_stack.otlp_url, gauge_request(NAME, {_now(): 0.75}, instance="health"))
    groups = json.loads(get(f"{native_stack.prometheus_url}/api/v1/rules"))["data"]["groups"]
    for rule in (rule for each in groups for rule in each["rules"]):
        assert rule["health"] in {"ok", "unknown"}, rule
        question = urllib.parse.urlencode({"query": rule["query"]})
        answer = json.loads(get(f"{native_stack.prometheus_url}/api/v1/query?{question}"))
        assert answer["status"] == "success"
        assert not answer.keys() & {"warnings", "infos"}, answer
    assert {each["name"]: each["interval"] for each in groups} == {
        group.name: group.interval_seconds for group in rules.groups(Policy())
    }


def test_translation_gives_the_job_and_the_instance_and_nothing_else(
    native_stack: NativeStack,
) -> None:
    """No scope labels, no promoted resource attributes: job and instance identify a series."""
    push(native_stack.otlp_url, gauge_request(NAME, {_now(): 0.75}, instance="labels"))
    question = urllib.parse.urlencode({"match[]": f'{SERIES}{{instance="labels"}}'})
    (labels,) = wait_until(
        lambda: json.loads(get(f"{native_stack.prometheus_url}/api/v1/series?{question}"))["data"],
        SETTLE_SECONDS,
        "the series",
    )
    assert labels == {"__name__": SERIES, "job": "a-service", "instance": "labels"}
