"""Renders the metrics of a provider with the official exporter."""

from collections.abc import Collection, Iterator

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from wiltonos_service.telemetry.exposition import Exposition
from wiltonos_service.telemetry.formats import negotiate
from wiltonos_service.telemetry.limits import cardinality_limits


class StockReader:
    """``opentelemetry-exporter-prometheus`` with a registry of its own and no scope labels.

    Scope labels would differ from the two OTLP paths and cost 57 % of a scrape.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(
            scope_info_enabled=False,
            registry=self._registry,
            **cardinality_limits(PrometheusMetricReader),
        )

    @property
    def reader(self) -> MetricReader:
        """What the provider is given."""
        return self._reader

    def render(self, accept: str, names: Collection[str] = ()) -> Exposition:
        """All metrics, in the best format that an ``Accept`` header allows."""
        format_ = negotiate(accept)
        encode = generate_openmetrics if format_.openmetrics else generate_latest
        chosen = _Chosen(self._registry, names) if names else self._registry
        return Exposition(format_.content_type, encode(chosen))


class _Chosen(Collector):
    """Some families of a registry; its own filter knows no metric of OpenTelemetry."""

    def __init__(self, registry: CollectorRegistry, names: Collection[str]) -> None:
        self._registry = registry
        self._names = {*names}

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            own = {family.name, *(sample.name for sample in family.samples)}
            if own & self._names:
                yield family
