"""A provider that both readers watch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from wiltonos_otel.scrape import FastMetricReader


@dataclass
class Both:
    """A provider with our reader and the stock one."""

    provider: MeterProvider
    fast: FastMetricReader
    registry: CollectorRegistry

    def ours(self, accept: str = "", names: Sequence[str] = ()) -> str:
        """What we render."""
        return self.fast.render(accept, names).body.decode()

    def lines(self) -> list[str]:
        """Our samples in text 0.0.4, without comments and the resource."""
        return [
            line for line in self.ours().splitlines() if not line.startswith(("#", "target_info"))
        ]

    def openmetrics(self) -> str:
        """What we render as OpenMetrics."""
        return self.ours("application/openmetrics-text;version=1.0.0")

    def stock(self, *, openmetrics: bool = False) -> str:
        """What opentelemetry-exporter-prometheus renders."""
        encode = generate_openmetrics if openmetrics else generate_latest
        return encode(self.registry).decode()


Make = Callable[..., Both]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes providers, and shuts them down."""
    made: list[MeterProvider] = []

    def build(
        views: Sequence[View] = (),
        *,
        resource: Resource | None = None,
        scope_labels: bool = False,
        exemplars: bool = False,
        **style: Any,
    ) -> Both:
        registry = CollectorRegistry()
        stock = PrometheusMetricReader(scope_info_enabled=scope_labels, registry=registry)
        fast = FastMetricReader(scope_labels=scope_labels, **style)
        provider = MeterProvider(
            [fast, stock],
            resource or Resource({"service.name": "test"}),
            AlwaysOnExemplarFilter() if exemplars else AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
            views=views,
        )
        made.append(provider)
        return Both(provider, fast, registry)

    yield build
    for provider in made:
        provider.shutdown()


@pytest.fixture
def both(make: Make) -> Both:
    """One without anything special."""
    return make()
