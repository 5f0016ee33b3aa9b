"""A collection as families of one name and type each, in the order in which they were met."""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wiltonos_otel.scrape.names import TOTAL, family_name, metric_name, unit_name
from wiltonos_otel.scrape.stream import (
    CounterStream,
    GaugeStream,
    HistogramStream,
    Kind,
    Stream,
)
from wiltonos_otel.scrape.text import escape, escape_help, labels_of, pairs

log = logging.getLogger(__name__)

AnyStream = Stream[Any, Any]
TARGET = "target"
TARGET_HELP = "Target metadata"
_SCOPE = "otel_scope_"


@dataclass(frozen=True, slots=True)
class Style:
    """What a reader puts beside the numbers.

    Attributes:
        prefix: goes before every name, with an underscore.
        scope_labels: label every series with its instrumentation scope.
        resource_labels: which resource attributes become labels of every series.
        target_info: show the resource as ``target_info``.
    """

    prefix: str = ""
    scope_labels: bool = False
    resource_labels: Callable[[str], bool] | None = None
    target_info: bool = True


@dataclass(slots=True)
class Family:
    """Series of one name and type.

    Attributes:
        name: as OpenMetrics has it: with the unit, without ``_total``.
        kind: the type.
        unit: suffix of the unit, or "".
        description: the first that was given.
        parts: streams with their points.
    """

    name: str
    kind: Kind
    unit: str
    description: str = ""
    parts: list[tuple[AnyStream, list[Any]]] = field(default_factory=list)

    def names(self, *, openmetrics: bool) -> set[str]:
        """Every name that the family, or a sample of it, goes by."""
        if self.kind is Kind.GAUGE:
            return {self.name}
        if self.kind is Kind.COUNTER:
            total = f"{self.name}{TOTAL}"
            return {self.name, total, f"{self.name}_created"} if openmetrics else {total}
        endings = ("", "_bucket", "_count", "_sum", *(["_created"] if openmetrics else []))
        return {f"{self.name}{ending}" for ending in endings}

    def render(self, *, openmetrics: bool) -> Iterator[str]:
        """The text of the family, a few lines at a time."""
        yield self._head(openmetrics=openmetrics)
        stems = [stream.stems(points) for stream, points in self.parts]
        if len(stems) == 1 and not self.parts[0][0].uneven:
            stream, points = self.parts[0]
            yield from stream.lines(stems[0], points, exemplars=openmetrics)
        else:
            yield from self._render_evened(openmetrics=openmetrics)

    def _render_evened(self, *, openmetrics: bool) -> Iterator[str]:
        """Every series with every label of the family; of equal series the first one counts."""
        found = {name for stream, points in self.parts for name in stream.label_names(points)}
        names = tuple(sorted(found))
        seen: set[Any] = set()
        for stream, points in self.parts:
            kept: list[tuple[Any, Any]] = []
            for stem, point in zip(stream.padded(points, names), points, strict=True):
                if stem not in seen:
                    seen.add(stem)
                    kept.append((stem, point))
            yield from stream.lines(
                [stem for stem, _ in kept], [point for _, point in kept], exemplars=openmetrics
            )

    def _head(self, *, openmetrics: bool) -> str:
        if openmetrics:
            unit = f"# UNIT {self.name} {self.unit}\n" if self.unit else ""
            help_ = escape(self.description)
            return f"# HELP {self.name} {help_}\n# TYPE {self.name} {self.kind.value}\n{unit}"
        name = f"{self.name}{TOTAL}" if self.kind is Kind.COUNTER else self.name
        return f"# HELP {name} {escape_help(self.description)}\n# TYPE {name} {self.kind.value}\n"


class Families:
    """Sorts collections into families, and remembers the streams from one to the next.

    Args:
        style: what is put beside the numbers.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._streams: dict[Any, AnyStream] = {}
        self._target: tuple[Resource | None, str, str] = (None, "", "")
        self._said: set[str] = set()

    def render(
        self, data: MetricsData, names: Collection[str], *, openmetrics: bool
    ) -> Iterator[str]:
        """The text of a collection, a few lines at a time.

        Args:
            data: the collection.
            names: families or samples to show; empty shows all.
            openmetrics: the format, else one of Prometheus'.
        """
        taken: set[str] = set()
        if self._style.target_info and data.resource_metrics:
            target = {TARGET, "target_info"} if openmetrics else {"target_info"}
            taken |= target
            if not names or target & {*names}:
                yield self._target_info(data.resource_metrics[0].resource, openmetrics=openmetrics)
        for family in self._sort(data):
            own = family.names(openmetrics=openmetrics)
            if own & taken:
                self._say(f"{family.name} ({family.kind.value}): the name is taken; not exposed")
                continue
            taken |= own
            if not names or own & {*names}:
                yield from family.render(openmetrics=openmetrics)
        if openmetrics:
            yield "# EOF\n"

    def _sort(self, data: MetricsData) -> list[Family]:
        found: dict[tuple[str, Kind], Family] = {}
        for resource_metrics in data.resource_metrics:
            resource = resource_metrics.resource
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    stream = self._stream(metric, scope_metrics.scope, resource)
                    if stream is None:
                        self._say(f"{metric.name}: no text format has {type(metric.data).__name__}")
                        continue
                    unit = unit_name(metric.unit or "")
                    family = found.setdefault(
                        (stream.name, stream.kind), Family(stream.name, stream.kind, unit)
                    )
                    family.description = family.description or metric.description or ""
                    family.parts.append((stream, list(metric.data.data_points)))
        return list(found.values())

    def _stream(
        self, metric: Metric, scope: InstrumentationScope, resource: Resource
    ) -> AnyStream | None:
        kind = _kind(metric)
        if kind is None:
            return None
        key = (scope, metric.name, metric.unit, metric.description, kind, resource)
        stream = self._streams.get(key)
        if stream is None:
            name = family_name(
                metric_name(metric.name, self._style.prefix),
                unit_name(metric.unit or ""),
                counter=kind is CounterStream,
            )
            stream = self._streams[key] = kind(name, self._common(scope, resource))
        return stream

    def _common(self, scope: InstrumentationScope, resource: Resource) -> dict[str, Any]:
        """Labels that every series of a scope has."""
        wanted = self._style.resource_labels
        common = {k: v for k, v in resource.attributes.items() if wanted and wanted(k)}
        if self._style.scope_labels:
            common |= {f"{_SCOPE}{k}": v for k, v in (scope.attributes or {}).items()}
            common[f"{_SCOPE}name"] = scope.name or ""
            common[f"{_SCOPE}version"] = scope.version or ""
            common[f"{_SCOPE}schema_url"] = scope.schema_url or ""
        return common

    def _target_info(self, resource: Resource, *, openmetrics: bool) -> str:
        known, text, om_text = self._target
        if known is not resource:
            labels = labels_of(resource.attributes)
            braced = f"{{{pairs(labels, labels)}}}" if labels else ""
            text, om_text = (
                f"# HELP {name} {TARGET_HELP}\n# TYPE {name} {kind}\ntarget_info{braced} 1.0\n"
                for name, kind in (("target_info", "gauge"), (TARGET, "info"))
            )
            self._target = resource, text, om_text
        return om_text if openmetrics else text

    def _say(self, what: str) -> None:
        """Say what is wrong once, not at every scrape."""
        if what not in self._said:
            self._said.add(what)
            log.warning("/metrics: %s", what)


def _kind(metric: Metric) -> type[AnyStream] | None:
    data = metric.data
    if isinstance(data, Sum):
        return CounterStream if data.is_monotonic else GaugeStream
    if isinstance(data, Gauge):
        return GaugeStream
    return HistogramStream if isinstance(data, Histogram | ExponentialHistogram) else None
