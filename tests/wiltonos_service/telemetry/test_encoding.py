"""What is encoded here is what the stock encoder makes, message for message."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import (
    AlwaysOnExemplarFilter,
    Exemplar,
    MeterProvider,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wiltonos_service.telemetry import encoding
from wiltonos_service.telemetry.encoding import MetricsEncoder

INT64 = 2**63
texts = st.text(max_size=6) | st.sampled_from(["", "Φ★", "x" * 200, "\x00"])
scalars = texts | st.booleans() | st.integers(-INT64, INT64 - 1) | st.floats(allow_nan=False)
attributes = st.none() | st.dictionaries(
    texts, scalars | st.lists(texts, max_size=3).map(tuple) | st.binary(max_size=3), max_size=4
)
times = st.integers(0, 2**64 - 1)
numbers = st.floats(allow_nan=False) | st.integers(-INT64, INT64 - 1)
temporalities = st.sampled_from(AggregationTemporality)
exemplars = st.lists(
    st.builds(
        Exemplar,
        filtered_attributes=attributes.map(lambda found: found or {}),
        value=numbers,
        time_unix_nano=times,
        span_id=st.integers(0, 2**64 - 1) | st.none(),
        trace_id=st.integers(0, 2**128 - 1) | st.none(),
    ),
    max_size=1,
)
counts = st.lists(st.integers(0, 99), min_size=1, max_size=3)


def _numbers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[NumberDataPoint]]:
    return st.lists(
        st.builds(NumberDataPoint, attributes, times, times, values, st.just([]) | exemplars),
        max_size=4,
    )


# mostly of one type each, as instruments are
points = _numbers(st.floats(allow_nan=False)) | _numbers(st.integers()) | _numbers(numbers)
histograms = st.lists(
    st.builds(
        HistogramDataPoint,
        attributes,
        times,
        times,
        count=st.integers(0, 99),
        sum=numbers,
        bucket_counts=counts,
        explicit_bounds=st.just([1.0, 5.0]),
        min=numbers,
        max=numbers,
        exemplars=exemplars,
    ),
    max_size=2,
)
buckets = st.builds(Buckets, st.integers(-9, 9), counts | st.just([]))
exponentials = st.lists(
    st.builds(
        ExponentialHistogramDataPoint,
        attributes,
        times,
        times,
        count=st.integers(0, 99),
        sum=numbers,
        scale=st.integers(-10, 20),
        zero_count=st.integers(0, 9),
        positive=buckets,
        negative=buckets,
        flags=st.just(0),
        min=numbers,
        max=numbers,
        exemplars=exemplars,
    ),
    max_size=2,
)
kinds = (
    st.builds(Gauge, points)
    | st.builds(Sum, points, temporalities, st.booleans())
    | st.builds(Histogram, histograms, temporalities)
    | st.builds(ExponentialHistogram, exponentials, temporalities)
)
scopes = st.lists(
    st.builds(
        ScopeMetrics,
        st.builds(InstrumentationScope, texts, texts, texts),
        st.lists(st.builds(Metric, texts, texts, texts, kinds), max_size=3),
        texts,
    ),
    max_size=2,
)
# few resources: two that are equal must be met
resources = st.sampled_from([{}, {"service.name": "Φ"}]).map(Resource)
collections = st.lists(st.builds(ResourceMetrics, resources, scopes, texts), max_size=2).map(
    MetricsData
)


def _stock(data: MetricsData) -> Any:
    """What the stock encoder makes of it, with numbers that it can encode."""
    try:
        return encode_metrics(data)
    except Exception:  # noqa: BLE001 - its versions raise different ones
        return encode_metrics(encoding._each(data, _within_64_bits))


def _within_64_bits(metric: Metric) -> Metric:
    def within(point: NumberDataPoint) -> NumberDataPoint:
        wide = isinstance(point.value, int) and not -INT64 <= point.value < INT64
        return replace(point, value=float(point.value)) if wide else point

    if not isinstance(metric.data, Gauge | Sum):
        return metric
    return replace(
        metric, data=replace(metric.data, data_points=[*map(within, metric.data.data_points)])
    )


@given(st.lists(collections, min_size=1, max_size=3))
def test_every_collection_becomes_the_message_of_the_stock_encoder(
    datas: list[MetricsData],
) -> None:
    """All kinds of metrics, one after the other through one encoder, the first one again."""
    encoder = MetricsEncoder()
    for data in [*datas, datas[0]]:
        assert encoder.encode(data) == _stock(data)


@given(st.lists(attributes, max_size=5), st.lists(st.tuples(times, st.floats()), min_size=1))
def test_series_that_are_known_carry_new_numbers(
    known: list[Any], rounds: list[tuple[int, float]]
) -> None:
    """The bytes that are kept hold nothing of the push before."""
    encoder = MetricsEncoder()
    for time, value in rounds:
        series = [NumberDataPoint(each, 1, time, value) for each in known]
        total = Sum(series, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        data = _data([Metric("g", "", "", Gauge(series)), Metric("s", "", "", total)])
        # bytes, since a NaN equals nothing
        assert encoder.encode(data).SerializeToString() == encode_metrics(data).SerializeToString()


def _data(metrics: list[Metric]) -> MetricsData:
    scope = ScopeMetrics(InstrumentationScope("s"), metrics, "")
    return MetricsData([ResourceMetrics(Resource({"a": "b"}), [scope], "")])


def test_what_a_real_sdk_collects_is_the_same_on_the_wire() -> None:
    """Every instrument, with exemplars and exponential histograms, collected twice."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(
        [reader],
        views=[View(instrument_name="h2", aggregation=ExponentialBucketHistogramAggregation())],
        exemplar_filter=AlwaysOnExemplarFilter(),
        shutdown_on_exit=False,
    )
    meter, encoder = provider.get_meter("m", "1"), MetricsEncoder()
    meter.create_observable_gauge("og", [lambda _: [Observation(0.5, {"loop": "Φ"})]])
    meter.create_observable_counter("oc", [lambda _: [Observation(n, {"n": n}) for n in (1, 2)]])
    counter, up_down = meter.create_counter("c"), meter.create_up_down_counter("u")
    gauge, plain = meter.create_gauge("g"), meter.create_histogram("h1")
    exponential = meter.create_histogram("h2")
    for value in (3, 4):
        counter.add(value, {"a": "b"})
        up_down.add(-value)
        gauge.set(value / 2, {})
        plain.record(value)
        exponential.record(value)
        data = reader.get_metrics_data()
        assert data is not None
        assert encoder.encode(data) == encode_metrics(data)


def test_series_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that vary cost no memory for ever, and what is forgotten is learned again."""
    monkeypatch.setattr(encoding, "SLACK", 4)
    encoder = MetricsEncoder()
    stays = {"loop": "stays"}
    for number in range(100):
        passing = {"loop": f"passing-{number}"}
        series = [NumberDataPoint(each, 0, number, 0.5) for each in (stays, passing)]
        data = _data([Metric("g", "", "", Gauge(series))])
        assert encoder.encode(data) == encode_metrics(data)
        assert len(encoder._gauges._stems) <= 10


def test_attributes_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is for."""
    encoded: list[int] = []

    def counting(data: MetricsData) -> Any:
        (resource,) = data.resource_metrics
        encoded.append(
            sum(len(m.data.data_points) for s in resource.scope_metrics for m in s.metrics)
        )
        return encode_metrics(data)

    monkeypatch.setattr(encoding, "encode_metrics", counting)
    encoder, series = MetricsEncoder(), [NumberDataPoint({"n": n}, 0, 1, 0.5) for n in range(9)]
    for time in range(3):
        now = [replace(point, time_unix_nano=time) for point in series]
        encoder.encode(_data([Metric("g", "", "", Gauge(now))]))
    assert sum(encoded) == len(series)


def test_what_no_message_can_hold_costs_one_metric(caplog: pytest.LogCaptureFixture) -> None:
    """A whole number beyond 64 bits goes as a double; the rest arrives, and one line says so."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("a")
    meter.create_counter("wei").add(10**20)
    meter.create_counter("wei").add(5, {"small": "one"})
    # a lone surrogate, as os.fsdecode makes of a name that is no UTF-8
    meter.create_counter("odd", description="\udcff").add(1)
    meter.create_counter("good").add(1)
    encoder = MetricsEncoder()
    for _ in range(2):
        data = reader.get_metrics_data()
        assert data is not None
        request = encoder.encode(data)
        (scope,) = request.resource_metrics[0].scope_metrics
        by_name = {metric.name: metric.sum.data_points for metric in scope.metrics}
        assert set(by_name) == {"wei", "good"}
        assert {(point.as_double, point.as_int) for point in by_name["wei"]} == {(1e20, 0), (0, 5)}
        assert by_name["good"][0].as_int == 1
    assert [line.partition(" ")[0] for line in caplog.messages] == ["odd"]
