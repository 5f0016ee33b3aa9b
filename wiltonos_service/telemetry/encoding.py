"""Encodes metrics as the stock exporter does, but the attributes of each series only once.

Whoever pushes the same ten thousand series each second would else build the same attributes each
second. From one push to the next only the times and the value of a number change, and in protobuf
these are of fixed width (``NumberDataPoint`` in OTLP's ``metrics.proto``): the rest is kept.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

# tags of protobuf: the number of the field and its wire type, 1 for 64 bits, 2 for a length before
_DATA_POINTS = bytes([1 << 3 | 2])
_START, _TIME, _DOUBLE, _INT = (number << 3 | 1 for number in (2, 3, 4, 6))
_GAUGE = {float: (Struct("<BQBd"), _DOUBLE), int: (Struct("<BQBq"), _INT)}
_SUM = {float: (Struct("<BQBQBd"), _DOUBLE), int: (Struct("<BQBQBq"), _INT)}
# series that may be gone and still remembered
SLACK = 64

_Points = Sequence[NumberDataPoint]


class MetricsEncoder:
    """Makes of a collection what the stock encoder makes of it, message for message.

    Numbers are encoded here; histograms, exemplars and whatever is unusual are left to the stock
    encoder. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._gauges = _Stems(_GAUGE[float][0].size)
        self._sums = _Stems(_SUM[float][0].size)

    def encode(self, data: MetricsData) -> ExportMetricsServiceRequest:
        """The request that carries a collection; raises what the stock encoder raises."""
        tried = ((id(metric), self._try(metric)) for metric in _metrics(data))
        encoded = {metric: points for metric, points in tried if points}
        self._gauges.tidy()
        self._sums.tidy()
        request = encode_metrics(_without(data, encoded))
        if _shape(data) != _shape(request):
            # of two equal resources or scopes the stock encoder drops one
            return encode_metrics(data)
        for metric, message in zip(_metrics(data), _messages(request), strict=True):
            if points := encoded.get(id(metric)):
                _put(metric, message, points)
        return request

    def _try(self, metric: Metric) -> bytes:
        """The points of a metric as they stand in its message; b"" where that is not ours to do."""
        data = metric.data
        if not isinstance(data, Gauge | Sum):
            return b""
        points = data.data_points
        kinds = {type(point.value) for point in points}
        if len(kinds) != 1 or not kinds <= {int, float} or any(p.exemplars for p in points):
            return b""
        try:
            if isinstance(data, Gauge):
                return _gauge_points(points, self._gauges.of(points), *_GAUGE[kinds.pop()])
            return _sum_points(points, self._sums.of(points), *_SUM[kinds.pop()])
        except StructError:
            # wider than its field, or not there
            return b""


class _Stems:
    """What stands before the numbers of each series, found by the identity of its attributes.

    The SDK hands out the same attributes object at every collection. It is kept, or its identity
    could become that of another.

    Args:
        width: bytes of the numbers.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._used = 0
        # no object per series that the garbage collector would have to visit
        self._kept: dict[int, Attributes] = {}
        self._stems: dict[int, bytes] = {}

    def of(self, points: _Points) -> list[bytes]:
        """The stem of each point."""
        self._used += len(points)
        stems = self._stems
        try:
            return [stems[id(point.attributes)] for point in points]
        except KeyError:
            self._learn([point for point in points if id(point.attributes) not in stems])
            return [stems[id(point.attributes)] for point in points]

    def tidy(self) -> None:
        """Forget what is gone, once that outweighs what was used since the last time."""
        if len(self._stems) > 2 * self._used + SLACK:
            self._kept.clear()
            self._stems.clear()
        self._used = 0

    def _learn(self, points: _Points) -> None:
        for point, attributes in zip(points, _attributes(points), strict=True):
            length = _varint(len(attributes) + self._width)
            self._kept[id(point.attributes)] = point.attributes
            self._stems[id(point.attributes)] = _DATA_POINTS + length + attributes


def _gauge_points(points: _Points, stems: list[bytes], form: Struct, tag: int) -> bytes:
    pack = form.pack
    return b"".join(
        [
            stem + pack(_TIME, point.time_unix_nano, tag, point.value)
            for stem, point in zip(stems, points, strict=True)
        ]
    )


def _sum_points(points: _Points, stems: list[bytes], form: Struct, tag: int) -> bytes:
    pack = form.pack
    return b"".join(
        [
            stem
            + pack(
                _START, point.start_time_unix_nano, _TIME, point.time_unix_nano, tag, point.value
            )
            for stem, point in zip(stems, points, strict=True)
        ]
    )


def _attributes(points: _Points) -> Iterator[bytes]:
    """The attributes of each point, as the stock encoder has them."""
    bare = [NumberDataPoint(point.attributes, 0, 0, 0.0) for point in points]
    scope = ScopeMetrics(InstrumentationScope(""), [Metric("", "", "", Gauge(bare))], "")
    request = encode_metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]))
    for message in _messages(request):
        for point in message.gauge.data_points:
            yield pb.NumberDataPoint(attributes=point.attributes).SerializeToString()


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _put(metric: Metric, message: pb.Metric, points: bytes) -> None:
    if isinstance(metric.data, Sum):
        temporality = metric.data.aggregation_temporality
        message.sum.aggregation_temporality = pb.AggregationTemporality.ValueType(temporality)
        message.sum.is_monotonic = metric.data.is_monotonic
        message.sum.MergeFromString(points)
    else:
        message.gauge.MergeFromString(points)


def _without(data: MetricsData, encoded: Collection[int]) -> MetricsData:
    """The collection without the points that are encoded."""

    def bare(metric: Metric) -> Metric:
        return replace(metric, data=Gauge([])) if id(metric) in encoded else metric

    return MetricsData(
        [
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=[bare(metric) for metric in scope.metrics])
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )


def _shape(data: MetricsData | ExportMetricsServiceRequest) -> list[list[int]]:
    """How many metrics there are in each scope of each resource."""
    return [
        [len(scope.metrics) for scope in resource.scope_metrics]
        for resource in data.resource_metrics
    ]


def _metrics(data: MetricsData) -> Iterator[Metric]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _messages(request: ExportMetricsServiceRequest) -> Iterator[pb.Metric]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics
