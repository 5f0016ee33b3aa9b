"""What instruments really emit, seen through the SDK: the truth behind the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, Metric, Sum

from wiltonos_service.reference import Package
from wiltonos_service.telemetry.provider import observe_push
from wiltonos_service.telemetry.push import PushHealth

_SUFFIXES = {"s": "_seconds"}


@dataclass(frozen=True, slots=True)
class Emitted:
    """One instrument as a reader sees it.

    Attributes:
        name: the OpenTelemetry name.
        kind: gauge, counter or histogram.
        unit: UCUM.
        description: one sentence.
        attributes: every key, and the values that were seen.
    """

    name: str
    kind: str
    unit: str
    description: str
    attributes: Mapping[str, tuple[str, ...]]

    @property
    def series(self) -> str:
        """The Prometheus name (OpenTelemetry specification, Prometheus compatibility).

        Raises:
            ValueError: the unit is one whose suffix differs between the paths.
        """
        if self.unit.startswith("{"):
            suffix = ""
        elif self.unit in _SUFFIXES:
            suffix = _SUFFIXES[self.unit]
        else:
            raise ValueError(f"{self.name}: unit {self.unit!r} is neither an annotation nor s")
        base = self.name.replace(".", "_")
        base = base if base.endswith(suffix) else base + suffix
        return f"{base}_total" if self.kind == "counter" else base


def emitted(emit: Callable[[metrics.MeterProvider], object]) -> tuple[Emitted, ...]:
    """Every instrument that ``emit`` makes on a provider, by name."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    kept = emit(provider)
    data = reader.get_metrics_data()
    provider.shutdown()
    del kept
    rows = [
        _row(metric)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def _row(metric: Metric) -> Emitted:
    seen: dict[str, dict[str, None]] = {}
    for point in metric.data.data_points:
        for key, value in (point.attributes or {}).items():
            seen.setdefault(key, {})[str(value)] = None
    kind = "gauge"
    if isinstance(metric.data, Histogram):
        kind = "histogram"
    elif isinstance(metric.data, Sum):
        kind = "counter" if metric.data.is_monotonic else "updowncounter"
    attributes = {key: tuple(values) for key, values in seen.items()}
    return Emitted(metric.name, kind, metric.unit or "", metric.description or "", attributes)


class _Quiet:
    """A push that has nothing to say."""

    def health(self) -> PushHealth:
        return PushHealth("", "", 0, 0, 0, 0)


def emit_push(provider: metrics.MeterProvider) -> None:
    """The instruments of the push that every service of ours has."""
    observe_push(provider, _Quiet())


PACKAGE = Package(
    title="Every service",
    order=3,
    emit=emit_push,
)
