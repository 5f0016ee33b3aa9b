"""Encodes metrics as the stock exporter does, but the attributes of each series only once.

Whoever pushes the same ten thousand series each second would else build the same attributes each
second. From one push to the next only the times and the value of a number change, and in protobuf
these are of fixed width (``NumberDataPoint`` in OTLP's ``metrics.proto``): the rest is kept.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
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

log = logging.getLogger(__name__)

# tags of protobuf: the number of the field and its wire type, 1 for 64 bits, 2 for a length before
_DATA_POINTS = bytes([1 << 3 | 2])
_START, _TIME, _DOUBLE, _INT = (number << 3 | 1 for number in (2, 3, 4, 6))
_GAUGE = {float: (Struct("<BQBd"), _DOUBLE), int: (Struct("<BQBq"), _INT)}
_SUM = {float: (Struct("<BQBQBd"), _DOUBLE), int: (Struct("<BQBQBq"), _INT)}
# beyond them a whole number has no place in a message
_LEAST, _MOST = -(2**63), 2**63 - 1
# series that may be gone and still remembered
SLACK = 64

_Points = Sequence[NumberDataPoint]


class MetricsEncoder:
    """Makes of a collection what the stock encoder makes of it, message for message.

    Numbers are encoded here; histograms, exemplars and whatever is unusual are left to the stock
    encoder. What it cannot encode costs one metric and not the collection. Not for several threads
    at once.
    """

    def __init__(self) -> None:
        self._gauges = _Stems(_GAUGE[float][0].size)
        self._sums = _Stems(_SUM[float][0].size)
        self._said: set[str] = set()

    def encode(self, data: MetricsData) -> ExportMetricsServiceRequest:
        """The request that carries a collection.

        A metric that no message can hold is left out, and said once; whole numbers beyond 64 bits
        go as doubles. Raises what the stock encoder raises where that is not enough.
        """
        try:
            return self._encode(data)
        except Exception:  # noqa: BLE001 - versions of the stock encoder raise different ones
            return self._encode(_each(data, self._fitting))

    def _fitting(self, metric: Metric) -> Metric | None:
        """The metric as a message can hold it; None where none can."""
        try:
            fitting = _in_doubles(metric)
            encode_metrics(_alone(fitting))
        except Exception as error:  # noqa: BLE001 - see encode()
            if metric.name not in self._said:
                self._said.add(metric.name)
                log.warning("%s is not pushed, no message can hold it: %s", metric.name, error)
            return None
        return fitting

    def _encode(self, data: MetricsData) -> ExportMetricsServiceRequest:
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
    request = encode_metrics(_alone(Metric("", "", "", Gauge(bare))))
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
    return _each(data, lambda m: replace(m, data=Gauge([])) if id(m) in encoded else m)


def _each(data: MetricsData, change: Callable[[Metric], Metric | None]) -> MetricsData:
    """The collection with every metric changed; those that become None are left out."""
    return MetricsData(
        [
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=[m for m in map(change, scope.metrics) if m])
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )


def _in_doubles(metric: Metric) -> Metric:
    """The metric with whole numbers beyond 64 bits as the nearest doubles."""
    if not isinstance(metric.data, Gauge | Sum):
        return metric
    points = [
        replace(point, value=float(point.value))
        if isinstance(point.value, int) and not _LEAST <= point.value <= _MOST
        else point
        for point in metric.data.data_points
    ]
    return replace(metric, data=replace(metric.data, data_points=points))


def _alone(metric: Metric) -> MetricsData:
    """A collection with nothing else in it."""
    scope = ScopeMetrics(InstrumentationScope(""), [metric], "")
    return MetricsData([ResourceMetrics(Resource({}), [scope], "")])


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
