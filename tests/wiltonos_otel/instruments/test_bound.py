"""Our handles beside the SDK's own instruments: the same calls make the same points."""

import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Counter, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)

from wiltonos_otel.instruments.bound import Handles

if TYPE_CHECKING:
    from collections.abc import Callable

Call = tuple[str, dict[str, Any], float]

kinds = st.sampled_from(["counter", "gauge", "histogram"])
# 1 and True are one value up to SDK 1.44 and two from 1.45 on
labels = st.sampled_from([{}, {"a": "x"}, {"a": "y"}, {"a": "x", "b": 1}, {"a": "x", "b": "1"}])
# their sums are exact: the SDK adds up between two collections first, and so rounds differently
numbers = st.integers(0, 1 << 40) | st.integers(0, 1 << 40).map(lambda n: n / 1024)
# a list of collections, each with the calls before it
histories = st.lists(st.lists(st.tuples(kinds, labels, numbers), max_size=12), max_size=4)

VIEWS = {
    "default": [],
    "bounds": [
        View(instrument_name="*.histogram", aggregation=ExplicitBucketHistogramAggregation([1, 5]))
    ],
    "exponential": [
        View(instrument_name="*.histogram", aggregation=ExponentialBucketHistogramAggregation())
    ],
}


class Both:
    """The same instruments twice on one provider: the SDK's, and ours."""

    def __init__(self, **arguments: Any) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False, **arguments)
        theirs = self.provider.get_meter("theirs")
        counter = theirs.create_counter("a.counter", "{event}", "Events.")
        gauge = theirs.create_gauge("a.gauge", "{thing}", "Things.")
        histogram = theirs.create_histogram("a.histogram", "s", "Times.")
        self.theirs: dict[str, Callable[..., None]] = {
            "counter": counter.add,
            "gauge": gauge.set,
            "histogram": histogram.record,
        }
        handles = Handles(self.provider.get_meter("ours"))
        self.counter = handles.counter("a.counter", "{event}", "Events.")
        self.gauge = handles.gauge("a.gauge", "{thing}", "Things.")
        self.histogram = handles.histogram("a.histogram", "s", "Times.")
        self._handles = handles

    def call(self, kind: str, attributes: dict[str, Any], value: float) -> None:
        """Make one call on both."""
        self.theirs[kind](value, attributes)
        if kind == "counter":
            self.counter.bind(attributes).add(value)
        elif kind == "gauge":
            self.gauge.bind(attributes).set(value)
        else:
            self.histogram.bind(attributes).record(value)

    def collect(self) -> dict[str, Any]:
        """Collect: per scope its metrics, everything of a point but its times."""
        data = self.reader.get_metrics_data()
        return {
            scope.scope.name: {
                (metric.name, metric.unit, metric.description, *_stream(metric.data)): {
                    tuple(sorted((k, repr(v)) for k, v in (point.attributes or {}).items())): _what(
                        point
                    )
                    for point in metric.data.data_points
                }
                for metric in scope.metrics
            }
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
        }


def _stream(data: Any) -> tuple[object, ...]:
    temporality = getattr(data, "aggregation_temporality", None)
    return type(data).__name__, temporality, getattr(data, "is_monotonic", None)


def _what(point: Any) -> object:
    if hasattr(point, "value"):
        return type(point.value), point.value
    if isinstance(point, HistogramDataPoint):
        return point.count, point.sum, point.min, point.max, point.bucket_counts
    return point.count, point.sum, point.scale, point.positive, point.zero_count


@pytest.mark.parametrize("views", VIEWS)
@given(history=histories)
@settings(max_examples=30, deadline=None)
def test_same_calls_make_the_same_points(views: str, history: list[list[Call]]) -> None:
    """Whatever is added, set and recorded between whatever collections."""
    both = Both(views=VIEWS[views])
    held: dict[str, tuple[dict[str, Any], float]] = {}
    for calls in history:
        # up to 1.44 the SDK's gauge is gone unless it is set between two collections; ours holds
        # in every version, as the SDK's does from 1.45 on
        for attributes, value in held.values():
            both.theirs["gauge"](value, attributes)
        for kind, attributes, value in calls:
            both.call(kind, attributes, value)
            if kind == "gauge":
                held[repr(attributes)] = (attributes, value)
        points = both.collect()
        assert points.get("ours", {}) == points.get("theirs", {})
    both.provider.shutdown()


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), -0.5])
def test_what_the_sdk_drops_is_dropped_and_said_once(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    """As the SDK does from 1.44 on, but with one line for all."""
    both = Both()
    caplog.set_level(logging.WARNING, logger="wiltonos_otel")
    for _ in range(3):
        both.counter.bind().add(value)
        both.histogram.bind().record(value)
        if value < 0:
            both.gauge.bind().set(value)
        else:
            both.gauge.bind({"a": "x"}).set(value)
    kept = {key[0] for key in both.collect().get("ours", {})}
    assert kept == ({"a.gauge"} if -1 <= value < 0 else set())
    lines = [line for line in caplog.messages if "is dropped" in line]
    assert len(lines) == (2 if kept else 3)


def test_gauge_that_is_removed_or_stale_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen value looks like a calm one."""
    now = [100.0]
    monkeypatch.setattr("wiltonos_otel.instruments.bound.monotonic", lambda: now[0])
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    handles = Handles(provider.get_meter("t"))
    gauge = handles.gauge("g", stale_after_seconds=10).bind()
    gauge.set(1)
    assert reader.get_metrics_data() is not None
    gauge.remove()
    assert reader.get_metrics_data() is None
    gauge.set(2)
    now[0] += 9.9
    assert reader.get_metrics_data() is not None
    now[0] += 0.1
    assert reader.get_metrics_data() is None


def test_series_beyond_the_bound_become_one(caplog: pytest.LogCaptureFixture) -> None:
    """Their sum is right, the memory is bounded, and the line is said once."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = Handles(provider.get_meter("t")).counter("c", max_series=3)
    for number in range(10):
        counter.bind({"user": str(number)}).add(number)
    data = reader.get_metrics_data()
    assert data
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert {str(dict(point.attributes or {})): point.value for point in points} == {  # type: ignore[union-attr]
        "{'user': '0'}": 0,
        "{'user': '1'}": 1,
        "{'user': '2'}": 2,
        "{'otel.metric.overflow': True}": sum(range(3, 10)),
    }
    assert len([line for line in caplog.messages if "more than 3 series" in line]) == 1


def test_no_call_is_lost_between_threads_and_collections() -> None:
    """Four threads call while a fifth collects: totals and counts are complete."""
    both = Both()
    counter, histogram = both.counter.bind(), both.histogram.bind()
    calls = 5000

    def work() -> None:
        for number in range(calls):
            counter.add()
            histogram.record(number % 7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        both.collect()
    points = both.collect()["ours"]
    values = {key[0]: next(iter(series.values())) for key, series in points.items()}
    assert values["a.counter"] == (int, 4 * calls)
    assert values["a.histogram"][0] == 4 * calls


def test_delta_temporality_is_the_readers_choice() -> None:
    """A reader that wants differences gets them, as from the SDK's counter."""
    kinds: tuple[type, ...] = (Counter, ObservableCounter)
    delta = dict.fromkeys(kinds, AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=delta)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = Handles(provider.get_meter("ours")).counter("c").bind()
    theirs = provider.get_meter("theirs").create_counter("c")
    for amount in (3, 4):
        counter.add(amount)
        theirs.add(amount)
        data = reader.get_metrics_data()
        assert data
        for scope in data.resource_metrics[0].scope_metrics:
            (point,) = scope.metrics[0].data.data_points
            assert point.value == amount  # type: ignore[union-attr]


def test_child_process_counts_from_nothing() -> None:
    """What the parent counted is the parent's."""
    both = Both()
    counter, gauge, histogram = both.counter.bind(), both.gauge.bind(), both.histogram.bind()
    counter.add(5)
    gauge.set(5)
    histogram.record(5)
    pid = os.fork()
    if not pid:
        empty = (counter.read(), gauge.read(), len(histogram._pending)) == (None, None, 0)
        counter.add(1)
        os._exit(0 if empty and counter.read() == 1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert counter.read() == 5


def test_list_is_an_attribute_like_any_other() -> None:
    """As the SDK's own instruments take it; what becomes of the list later changes nothing."""
    both, parts = Both(), ["a", "b"]
    handle = both.counter.bind({"parts": parts})
    handle.add(2)
    assert both.counter.bind({"parts": ["a", "b"]}) is handle
    assert both.counter.bind({"parts": [1]}) is not both.counter.bind({"parts": [True]})
    parts.append("c")
    (points,) = both.collect()["ours"].values()
    assert points == {(("parts", "('a', 'b')"),): (int, 2)}


def test_number_beyond_every_double_is_dropped_and_costs_the_others_nothing() -> None:
    """The SDK gives up a whole instrument that it meets one in, at every collection."""
    both, most = Both(), 10**400
    for attributes in ({"a": "x"}, {"a": "y"}):
        both.counter.bind(attributes).add(1)
        both.counter.bind(attributes).add(most)
        both.gauge.bind(attributes).set(1)
        both.gauge.bind(attributes).set(-most)
        both.histogram.bind(attributes).record(1)
        both.histogram.bind(attributes).record(most)
    found = both.collect()["ours"]
    assert [len(points) for points in found.values()] == [2, 2, 2]
    assert both.counter.bind({"a": "x"}).read() == 1


def test_view_of_a_histogram_is_not_said_to_fit_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What we need beside it has a name that no view of the user is meant for."""
    view = View(instrument_name="http.*", aggregation=ExponentialBucketHistogramAggregation())
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    Handles(provider.get_meter("ours")).histogram("http.time").bind().record(1)
    data = reader.get_metrics_data()
    assert data is not None
    assert [m.name for m in data.resource_metrics[0].scope_metrics[0].metrics] == ["http.time"]
    assert not caplog.records


def test_instrument_that_two_modules_ask_for_is_one() -> None:
    """As with the SDK's own, whose second callback it would drop without a word."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    for amount in (1, 2):
        handles = Handles(provider.get_meter("shared"))
        handles.counter("hits").bind({"n": str(amount)}).add(amount)
        handles.counter("Hits").bind().add(amount)
        handles.gauge("level").bind({"n": str(amount)}).set(amount)
        handles.histogram("time").bind().record(amount)
    Handles(provider.get_meter("other")).counter("hits").bind().add(5)
    data = reader.get_metrics_data()
    assert data is not None
    points = [
        (
            scope.scope.name,
            metric.name,
            getattr(point, "value", None) or getattr(point, "sum", None),
        )
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    assert sorted(points) == [
        ("other", "hits", 5),
        ("shared", "hits", 1),
        ("shared", "hits", 2),
        ("shared", "hits", 3),
        ("shared", "level", 1),
        ("shared", "level", 2),
        ("shared", "time", 3),
    ]


def test_meter_that_is_gone_is_not_kept() -> None:
    """By what remembers its instruments; nor is one that comes later taken for it."""
    both = Both()
    gone = weakref.ref(both.provider.get_meter("ours"))
    both.provider.shutdown()
    del both
    gc.collect()
    assert gone() is None


def test_instrument_of_a_provider_that_will_come_is_one() -> None:
    """Modules ask for their meters when they are imported, before anything is configured."""
    program = """
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from wiltonos_otel import Handles
        from wiltonos_otel.testing import InMemoryMetricReader, read_points
        for amount in (1, 2):
            Handles(metrics.get_meter("shared")).counter("hits").bind().add(amount)
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        assert read_points(reader) == {("hits", ()): 3}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60, check=True)
