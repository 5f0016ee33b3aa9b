"""One name for each series on all three ways: stock scrape, Collector's exporter, OTLP."""

import json
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.stack.conftest import NativeStack, free_ports, get, running_stack, wait_until
from wiltonos_otel.instruments.catalogue import CATALOGUE, Instrument, Kind
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import flags, render
from wiltonos_otel.stack.ports import LOOPBACK

pytestmark = pytest.mark.stack

# name and labels, without those that say who was scraped
Series = set[tuple[str, frozenset[tuple[str, str]]]]
WHO = {"job", "instance", "service_name", "service_instance_id"}


def _observe(attributes: dict[str, str]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(1, attributes)

    return callback


def _make(meter: Meter, row: Instrument) -> None:
    """The instrument of a row with one point."""
    attributes = dict.fromkeys(row.attributes, "x")
    words = row.unit, row.description
    match row.kind:
        case Kind.OBSERVABLE_GAUGE:
            meter.create_observable_gauge(row.name, [_observe(attributes)], *words)
        case Kind.OBSERVABLE_COUNTER:
            meter.create_observable_counter(row.name, [_observe(attributes)], *words)
        case Kind.COUNTER:
            meter.create_counter(row.name, *words).add(1, attributes)
        case Kind.HISTOGRAM:
            meter.create_histogram(row.name, *words).record(1, attributes)


def _parsed(text: str) -> Series:
    return {
        _series({"__name__": sample.name, **sample.labels})
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("wiltonos_")
    }


def _series(labels: dict[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    """Bucket bounds as numbers: "100" by OTLP is "100.0" in a scrape."""
    kept = {
        key: str(float(value)) if key == "le" else value
        for key, value in labels.items()
        if key != "__name__" and key not in WHO
    }
    return labels["__name__"], frozenset(kept.items())


def _stored(stack: NativeStack) -> Series:
    question = urllib.parse.urlencode({"match[]": '{__name__=~"wiltonos_.+",job="names"}'})
    found = json.loads(get(f"{stack.prometheus_url}/api/v1/series?{question}"))["data"]
    return {_series(labels) for labels in found}


@pytest.fixture(scope="module")
def exporting(
    binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[NativeStack, str]]:
    """A stack whose Collector also has the `prometheus` exporter, and the address of its page."""
    directory = tmp_path_factory.mktemp("names")
    with running_stack(binaries, directory, Policy()) as running:
        (port,) = free_ports(["exporter"]).values()
        (directory / "exporter.yaml").write_text(
            f"""
exporters:
  prometheus:
    endpoint: "{LOOPBACK}:{port}"
    translation_strategy: UnderscoreEscapingWithSuffixes
    without_scope_info: true
service:
  pipelines:
    metrics:
      exporters: [otlp_http/prometheus, prometheus]
""",
            "utf-8",
        )
        running.kill("otelcol")
        running.more["otelcol"] = flags.collector(directory / "exporter.yaml")
        running.start("otelcol")
        yield running, f"http://{LOOPBACK}:{port}/metrics"


def test_every_row_of_the_catalogue_has_one_name_on_all_three_ways(
    exporting: tuple[NativeStack, str],
) -> None:
    """Names and label sets agree, and are those that the catalogue states."""
    stack, exporter = exporting
    scrape = PrometheusMetricReader(scope_info_enabled=False)
    push = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{stack.otlp_url}/v1/metrics"), export_interval_millis=1000
    )
    resource = Resource({"service.name": "names", "service.instance.id": "i"})
    provider = MeterProvider([scrape, push], resource)
    try:
        for row in CATALOGUE:
            _make(provider.get_meter("names"), row)
        provider.force_flush()
        scraped = _parsed(generate_latest(REGISTRY).decode())
        exported = wait_until(lambda: _parsed(get(exporter).decode()), 10, "the Collector's page")
        stored = wait_until(lambda: _stored(stack), 10, "the series in Prometheus")
    finally:
        provider.shutdown()
    assert {name for name, _ in scraped} == {n for row in CATALOGUE for n in row.sample_names}
    assert exported == scraped
    assert stored == scraped


def test_the_committed_configuration_has_the_translation_of_this_test() -> None:
    """The strategy is stated, not left to a default that may change."""
    assert "UnderscoreEscapingWithSuffixes" in render.compose()[render.PROMETHEUS_CONFIG]
