"""The loops as finished metrics: the same on every path as the SDK would make them."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData, Sum
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments
from wiltonos_otel.instruments.handles import OVERFLOW
from wiltonos_otel.instruments.produced import LoopProducer
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.policy import Policy
from wiltonos_otel.scrape import FastMetricReader
from wiltonos_otel.testing import FakeClock
from wiltonos_service.telemetry.producer import Producers

NOW_MS = 1_795_453_200_000
SCOPE = InstrumentationScope(METER, "1.2.3")

names = st.text(min_size=1, max_size=8) | st.sampled_from(["breath", "Φ★", 'a"b\\c\n', OVERFLOW])
loops = st.dictionaries(
    names,
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**53 - 1), st.booleans()),
    max_size=5,
)


def _signals(sources: list[dict[str, Any]]) -> list[Signal]:
    """Signals of these loops, of which some are stale."""
    clock = FakeClock(NOW_MS)
    signals = [Signal(f"source-{number}", Policy(), 60, clock) for number in range(len(sources))]
    for signal, stated in zip(signals, sources, strict=True):
        for name, (phi, phi_star, collapses, stale) in stated.items():
            at = NOW_MS - (120_000 if stale else 0)
            assert signal.observe_loop(name, at, phi, phi_star, collapses) is None
    return signals


class Paths:
    """The same signals, observed by the SDK and produced."""

    def __init__(self, signals: list[Signal]) -> None:
        self._readers = {True: InMemoryMetricReader(), False: InMemoryMetricReader()}
        self.pages = {True: FastMetricReader(), False: FastMetricReader()}
        self._producers = Producers()
        for observed, reader in self._readers.items():
            provider = MeterProvider([reader, self.pages[observed]], shutdown_on_exit=False)
            meter = provider.get_meter(METER, "1.2.3")
            made = CoherenceInstruments(meter, Policy(), observe_loops=observed)
            for number, signal in enumerate(signals):
                made.attach(signal, labelled=number > 0)
            if not observed:
                self.producer = LoopProducer(made, SCOPE)
                self._producers.register(self.producer)
                self.pages[observed].register_producer(self.producer)

    def collect(self, *, observed: bool) -> MetricsData:
        """One collection."""
        data = self._readers[observed].get_metrics_data()
        assert data is not None
        return data if observed else self._producers.complete(data)


def _series(data: MetricsData) -> Iterator[tuple[Any, ...]]:
    """Every point as it goes over the wire, without its times."""
    (resource,) = encode_metrics(data).resource_metrics
    (scope,) = resource.scope_metrics
    for metric in scope.metrics:
        kind = metric.WhichOneof("data")
        assert kind
        points = list(getattr(metric, kind).data_points)
        shell = Metric()
        shell.CopyFrom(metric)
        del getattr(shell, kind).data_points[:]
        for point in points:
            assert point.time_unix_nano
            point.time_unix_nano = point.start_time_unix_nano = 0
            yield shell.SerializeToString(), point.SerializeToString(deterministic=True)


@given(st.lists(loops, min_size=1, max_size=3))
def test_what_is_produced_is_what_the_sdk_would_push(sources: list[dict[str, Any]]) -> None:
    """Names, units, kinds, temporality, attributes and values are equal on the wire."""
    paths = Paths(_signals(sources))
    produced = sorted(_series(paths.collect(observed=False)))
    assert produced == sorted(_series(paths.collect(observed=True)))


@given(st.lists(loops, min_size=1, max_size=3))
def test_what_is_produced_is_what_a_scrape_would_show(sources: list[dict[str, Any]]) -> None:
    """The same lines; only the order of the families is another."""
    pages = Paths(_signals(sources)).pages
    for accept in ("text/plain", "application/openmetrics-text"):
        produced, observed = (
            sorted(pages[path].render(accept).body.splitlines()) for path in (False, True)
        )
        assert produced == observed


@pytest.fixture
def signal() -> Signal:
    """Two loops."""
    return _signals([{"breath": (0.7, 0.75, 3, False), "memory": (0.8, 0.75, 0, False)}])[0]


def _starts(data: MetricsData) -> dict[str, tuple[int, int]]:
    """When each count began, and the identity of its attributes, by loop."""
    return {
        str(point.attributes["loop"]): (point.start_time_unix_nano, id(point.attributes))
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if isinstance(metric.data, Sum)
        for point in metric.data.data_points
        if point.attributes and "loop" in point.attributes
    }


def test_a_count_keeps_its_beginning_until_its_loop_is_gone() -> None:
    """A start that moved would be a reset to who reads it; one that stays hides a real one."""
    clock = FakeClock(NOW_MS)
    signal = Signal("state", Policy(), 60, clock)
    signal.observe_loop("breath", NOW_MS, 0.7, 0.75, 3)
    paths = Paths([signal])
    first = _starts(paths.collect(observed=False))
    clock.advance_ms(5000)
    assert _starts(paths.collect(observed=False)) == first
    signal.forget_loop("breath")
    assert _starts(paths.collect(observed=False)) == {}
    clock.advance_ms(5000)
    signal.observe_loop("breath", clock.now_ms(), 0.7, 0.75, 1)
    ((start, _),) = _starts(paths.collect(observed=False)).values()
    assert start == (NOW_MS + 10_000) * 1_000_000


def test_all_of_a_collection_is_of_one_moment(signal: Signal) -> None:
    """Callbacks and what is produced see one snapshot, so that a page adds up."""
    taken = []

    class Counting:
        source = signal.source

        def snapshot(self) -> Any:
            taken.append(1)
            return signal.snapshot()

    paths = Paths([Counting()])  # type: ignore[list-item]
    paths.collect(observed=False)
    paths.collect(observed=False)
    assert len(taken) == 2
