"""What the instruments export of a signal, read through a real SDK."""

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from wiltonos_otel.instruments.catalogue import CATALOGUE, DOSE_AMOUNT, DOSES
from wiltonos_otel.instruments.coherence import CoherenceInstruments
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.phi import Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.testing import FakeClock, read_points

START_MS = 1_795_453_200_000


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Collects when it is asked to."""
    return InMemoryMetricReader()


@pytest.fixture
def instruments(reader: InMemoryMetricReader) -> CoherenceInstruments:
    """Registered with a real SDK."""
    provider = MeterProvider([reader], shutdown_on_exit=False)
    return CoherenceInstruments(provider.get_meter("test"), Policy())


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until it is moved."""
    return FakeClock(START_MS)


@pytest.fixture
def signal(instruments: CoherenceInstruments, clock: FakeClock) -> Signal:
    """A signal that is exported, and stale after a minute."""
    made = Signal("state", Policy(), 60, clock)
    instruments.attach(made, ["torn", "empty"])
    return made


def feed(signal: Signal, clock: FakeClock, seconds: int = 300, phi: float = 0.75) -> None:
    """One sample a second up to now."""
    for _ in range(seconds):
        clock.advance_ms(1000)
        assert signal.observe(clock.now_ms(), phi) is None


def test_every_row_but_the_diarys_is_exported_with_its_unit(
    signal: Signal, clock: FakeClock, reader: InMemoryMetricReader
) -> None:
    """The catalogue is what is emitted, name, unit and attribute keys alike."""
    feed(signal, clock)
    signal.observe_loop("breath", clock.now_ms(), 0.7, 0.75, 3)
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    rows = [row for row in CATALOGUE if row not in (DOSES, DOSE_AMOUNT)]
    assert set(metrics) == {row.name for row in rows}
    for row in rows:
        metric = metrics[row.name]
        assert metric.unit == row.unit
        assert metric.description == row.description
        for point in metric.data.data_points:
            attributes = point.attributes or {}
            assert tuple(sorted(attributes)) == tuple(sorted(row.attributes))
            assert all(isinstance(value, str) for value in attributes.values())


def test_values_are_those_of_the_snapshot(
    signal: Signal, clock: FakeClock, reader: InMemoryMetricReader
) -> None:
    """Φ, slopes by window, pressure, collapses and the time of the newest sample."""
    feed(signal, clock)
    signal.observe_loop("breath", clock.now_ms(), 0.7, 0.75, 3)
    points = read_points(reader)
    assert points["wiltonos.quantum_coherence.ratio", ()] == 0.75
    assert points["wiltonos.quantum_coherence.derivative", (("window", "60s"),)] == 0
    assert points["wiltonos.loop.quantum_coherence", (("loop", "breath"),)] == 0.7
    assert points["wiltonos.loop.pressure", (("loop", "breath"),)] == pytest.approx(0.05)
    assert points["wiltonos.collapse.operations", (("loop", "breath"),)] == 3
    assert points["wiltonos.sustained_good.ratio", (("window", "5m"),)] == pytest.approx(1)
    assert points["wiltonos.source.last_sample.time", (("source", "state"),)] == (
        clock.now_ms() / 1000
    )
    assert points["wiltonos.soft_steer.limit", (("limit", "band_high"),)] == 0.77


def test_stale_signal_is_gone_but_its_health_stays(
    signal: Signal, clock: FakeClock, reader: InMemoryMetricReader
) -> None:
    """A frozen gauge would look like perfect coherence."""
    feed(signal, clock)
    signal.observe_loop("breath", clock.now_ms(), 0.7, 0.75, 3)
    clock.advance_ms(61_000)
    assert {name for name, _ in read_points(reader)} == {
        "wiltonos.collapse.operations",
        "wiltonos.soft_steer.limit",
        "wiltonos.source.last_sample.time",
        "wiltonos.source.errors",
    }


def test_forgotten_loop_is_gone_with_its_counter(
    signal: Signal, clock: FakeClock, reader: InMemoryMetricReader
) -> None:
    """Every series of a loop ends with it."""
    signal.observe_loop("breath", clock.now_ms(), 0.7, 0.75, 3)
    assert "wiltonos.collapse.operations" in {name for name, _ in read_points(reader)}
    signal.forget_loop("breath")
    assert not [key for key in read_points(reader) if "loop" in dict(key[1])]


def test_detached_signal_is_gone(
    instruments: CoherenceInstruments, signal: Signal, reader: InMemoryMetricReader
) -> None:
    """Only the policy and what was counted remain."""
    instruments.detach(signal.source)
    names = {name for name, _ in read_points(reader)}
    assert names == {"wiltonos.soft_steer.limit", "wiltonos.source.errors"}


def test_errors_begin_at_zero_so_that_the_first_one_counts(
    instruments: CoherenceInstruments, signal: Signal, reader: InMemoryMetricReader
) -> None:
    """``increase()`` sees no series that begins at 1."""
    key = "wiltonos.source.errors", (("reason", "torn"), ("source", "state"))
    assert read_points(reader)[key] == 0
    instruments.refused("state", "torn")
    assert read_points(reader)[key] == 1


def test_loop_that_never_collapsed_is_announced_at_zero(
    signal: Signal, clock: FakeClock, reader: InMemoryMetricReader
) -> None:
    """The first collapse is an increase from 0."""
    signal.observe_loop("breath", clock.now_ms(), 0.7)
    points = read_points(reader)
    assert points["wiltonos.collapse.operations", (("loop", "breath"),)] == 0


class _Counting:
    """A signal that counts how often it is asked."""

    source = "counted"
    asked = 0

    def snapshot(self) -> Snapshot:
        self.asked += 1
        return Snapshot(START_MS, START_MS, 0.75)


def test_one_snapshot_serves_a_whole_collection(
    instruments: CoherenceInstruments, reader: InMemoryMetricReader
) -> None:
    """All instruments of a collection show the same moment, and the next a new one."""
    counting = _Counting()
    instruments.attach(counting)
    for collections in (1, 2, 3):
        read_points(reader)
        assert counting.asked == collections
