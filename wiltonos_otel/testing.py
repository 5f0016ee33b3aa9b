"""For tests of services that use ``wiltonos_otel``: a clock to move, and a reader in memory.

The pytest plugin of this package brings the fixture ``wiltonos_metrics``:

    def test_order_raises_coherence(wiltonos_metrics):
        place_order()
        assert wiltonos_metrics.value("wiltonos.quantum_coherence.ratio") == 0.75
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

import wiltonos_otel

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

__all__ = ["FakeClock", "Metrics", "read_points", "recorded_metrics"]

# name of the instrument, and its attributes sorted by key
Series = tuple[str, tuple[tuple[str, str], ...]]


class FakeClock:
    """A clock that stands still until it is moved.

    Args:
        now_ms: Unix time in milliseconds at which it starts.
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._started_ms = now_ms

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return (self._now_ms - self._started_ms) / 1000

    def advance_ms(self, milliseconds: int) -> None:
        """Move on."""
        self._now_ms += milliseconds


def read_points(reader: InMemoryMetricReader) -> dict[Series, Any]:
    """Collect now: the values of gauges and counters, histograms as their points."""
    data: MetricsData | None = reader.get_metrics_data()
    return {
        (metric.name, _sorted(point.attributes)): (
            point.value if isinstance(point, NumberDataPoint) else point
        )
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def _sorted(attributes: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((attributes or {}).items()))


class Metrics:
    """What the handles of this process export.

    Args:
        reader: collects from the provider that ``configure()`` was given.
    """

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def points(self) -> dict[Series, Any]:
        """Collect now; see ``read_points``."""
        return read_points(self._reader)

    def value(self, name: str, /, **attributes: str) -> Any:
        """Collect now: the value of one series, or None where there is none."""
        return self.points().get((name, tuple(sorted(attributes.items()))))


@contextmanager
def recorded_metrics() -> Iterator[Metrics]:
    """Configure the handles to export to memory, for as long as the block runs."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    wiltonos_otel.shutdown()
    wiltonos_otel.configure(meter_provider=provider)
    try:
        yield Metrics(reader)
    finally:
        wiltonos_otel.shutdown()
        provider.shutdown()
