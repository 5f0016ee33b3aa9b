"""Metrics that come finished, beside those that the SDK aggregates (``MetricProducer``)."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from opentelemetry.sdk.metrics.export import Metric, MetricsData, ScopeMetrics
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

log = logging.getLogger(__name__)


class MetricProducer(Protocol):
    """What the specification of the metrics SDK calls so, and the Python SDK does not have yet.

    Its metrics are final: no view, no aggregation and no limit of the SDK applies to them.

    Attributes:
        scope: the instrumentation scope that they belong to.
    """

    scope: InstrumentationScope

    def produce(self) -> Sequence[Metric]:
        """What there is now; called at each collection of each reader, in its thread."""
        ...


class Producers:
    """The producers of a reader."""

    def __init__(self) -> None:
        self._producers: list[_Guarded] = []

    def register(self, producer: MetricProducer) -> None:
        """Ask it at every collection from now on."""
        self._producers.append(_Guarded(producer))

    def complete(self, data: MetricsData) -> MetricsData:
        """A collection with what is produced, under the resource that it has.

        A producer that fails costs its own metrics only, and is said once per change.
        """
        if not self._producers or not data.resource_metrics:
            return data
        first, *others = data.resource_metrics
        scopes = list(first.scope_metrics)
        for producer in self._producers:
            scopes = _with(scopes, producer.scope, producer.produce())
        return MetricsData([replace(first, scope_metrics=scopes), *others])


class _Guarded:
    """Produces nothing instead of raising."""

    def __init__(self, producer: MetricProducer) -> None:
        self.scope = producer.scope
        self._producer = producer
        self._failing = ""

    def produce(self) -> list[Metric]:
        try:
            metrics = list(self._producer.produce())
        except Exception as error:  # noqa: BLE001 - see Producers.complete()
            self._say(f"{type(error).__name__}: {error}")
            return []
        self._say("")
        return metrics

    def _say(self, failing: str) -> None:
        if failing != self._failing and failing:
            log.error("metrics of %s cannot be produced: %s", self.scope.name, failing)
        self._failing = failing


def _with(
    scopes: list[ScopeMetrics], scope: InstrumentationScope, metrics: list[Metric]
) -> list[ScopeMetrics]:
    """The scopes with these metrics; one scope is there once, or encoders drop one of the two."""
    for number, there in enumerate(scopes):
        if there.scope == scope:
            scopes[number] = replace(there, metrics=[*there.metrics, *metrics])
            return scopes
    return (
        [*scopes, ScopeMetrics(scope, list(metrics), scope.schema_url or "")] if metrics else scopes
    )
