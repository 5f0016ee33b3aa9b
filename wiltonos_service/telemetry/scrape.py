"""Renders the metrics of a provider as Prometheus text; the seam for another renderer."""

from dataclasses import dataclass
from typing import Protocol

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


@dataclass(frozen=True, slots=True)
class Exposition:
    """One rendered scrape.

    Attributes:
        content_type: the value of the Content-Type header.
        body: the text, encoded.
    """

    content_type: str
    body: bytes


class ScrapeReader(Protocol):
    """A metric reader that renders; ``render`` may be slow and is called off the event loop.

    Not safe against itself: callers render one at a time (``ScrapeEndpoint`` does).
    """

    @property
    def reader(self) -> MetricReader:
        """What the provider is given."""
        ...

    def render(self, accept: str) -> Exposition:
        """All metrics, in the best format that an ``Accept`` header allows."""
        ...


class StockReader:
    """``opentelemetry-exporter-prometheus`` with a registry of its own and no scope labels.

    Scope labels would differ from the two OTLP paths and cost 57 % of a scrape.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)

    @property
    def reader(self) -> MetricReader:
        """What the provider is given."""
        return self._reader

    def render(self, accept: str) -> Exposition:
        """All metrics, in the best format that an ``Accept`` header allows."""
        encode, content_type = choose_encoder(accept)
        return Exposition(content_type, encode(self._registry))
