"""Finished metrics beside those of the SDK."""

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Gauge,
    InMemoryMetricReader,
    Metric,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wiltonos_service.telemetry.producer import Producers

EMPTY = MetricsData([])


class Producer:
    """Produces one gauge, or what it is told to raise."""

    def __init__(self, scope: str, error: Exception | None = None) -> None:
        self.scope = InstrumentationScope(scope)
        self.error = error

    def produce(self) -> Sequence[Metric]:
        """One point."""
        if self.error:
            raise self.error
        return [Metric("produced", "", "", Gauge([NumberDataPoint({}, 0, 1, 0.5)]))]


@pytest.fixture
def collected() -> MetricsData:
    """What an SDK collected in the scope ``ours``."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("ours").create_counter("counted").add(1)
    data = reader.get_metrics_data()
    assert data is not None
    return data


def _names(data: MetricsData) -> dict[str, list[str]]:
    (resource,) = data.resource_metrics
    scopes = [
        (scope.scope.name, [m.name for m in scope.metrics]) for scope in resource.scope_metrics
    ]
    assert len(dict(scopes)) == len(scopes)
    return dict(scopes)


def test_scope_that_is_there_is_completed_and_another_is_added(collected: MetricsData) -> None:
    """An encoder that sees a scope twice forgets one of the two."""
    producers = Producers()
    producers.register(Producer("ours"))
    producers.register(Producer("theirs"))
    found = _names(producers.complete(collected))
    assert found == {"ours": ["counted", "produced"], "theirs": ["produced"]}
    assert _names(collected) == {"ours": ["counted"]}


def test_without_producers_or_resource_a_collection_stays(collected: MetricsData) -> None:
    """There is nothing to say, or nobody to say it of."""
    assert Producers().complete(collected) is collected
    producers = Producers()
    producers.register(Producer("ours"))
    assert producers.complete(EMPTY) is EMPTY


def test_failing_producer_costs_its_own_metrics_and_is_said_once(
    collected: MetricsData, caplog: pytest.LogCaptureFixture
) -> None:
    """The others arrive, and so does it once it works again."""
    failing, producers = Producer("theirs", ValueError("no")), Producers()
    producers.register(failing)
    producers.register(Producer("ours"))
    for _ in range(3):
        assert _names(producers.complete(collected)) == {"ours": ["counted", "produced"]}
    assert caplog.messages == ["metrics of theirs cannot be produced: ValueError: no"]
    failing.error = None
    assert "theirs" in _names(producers.complete(collected))
