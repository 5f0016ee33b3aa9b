"""The provider: who it is, what it pushes, and how fast it ends."""

import gc
import logging
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from wiltonos_service.errors import SettingsError
from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
from wiltonos_service.telemetry.push import PushHealth
from wiltonos_service.telemetry.scrape import StockReader
from wiltonos_service.telemetry.testing import OtlpReceiver, black_hole

IDENTITY = Identity("wiltonos-test", "1.2.3", "host:7")


def ticking(telemetry: Telemetry) -> None:
    """Register a gauge whose value is the number of the collection."""
    count = iter(range(1_000_000))

    def read(_options: CallbackOptions) -> Iterator[Observation]:
        yield Observation(next(count))

    telemetry.provider.get_meter("test").create_observable_gauge("tick", [read])


def ticks(receiver: OtlpReceiver) -> list[int]:
    """The values of the gauge that arrived, in order of arrival."""
    return [
        point.as_int
        for received in receiver.received
        for metric in received.metrics()
        if metric.name == "tick"
        for point in metric.gauge.data_points
    ]


def test_resource_names_service_version_and_stable_instance(receiver: OtlpReceiver) -> None:
    """Restarting makes no new series: the instance is what the identity states."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 60))
    telemetry.provider.get_meter("test").create_counter("hits").add(1)
    telemetry.shutdown()
    (received,) = receiver.received
    assert received.path == "/v1/metrics"
    assert received.resource()["service.name"] == "wiltonos-test"
    assert received.resource()["service.version"] == "1.2.3"
    assert received.resource()["service.instance.id"] == "host:7"
    assert "service.namespace" not in received.resource()


def test_standard_variables_win_over_our_identity(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` are respected."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "renamed")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=mine,team=blue")
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 60))
    telemetry.shutdown()
    resource = receiver.received[0].resource()
    assert (resource["service.name"], resource["service.instance.id"]) == ("renamed", "mine")
    assert resource["team"] == "blue"


def test_counters_stay_cumulative_when_the_environment_prefers_delta(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prometheus refuses deltas, so the preference of the environment does not reach us."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 60))
    meter = telemetry.provider.get_meter("test")
    meter.create_counter("hits").add(1)
    meter.create_histogram("size").record(1)
    telemetry.shutdown()
    kinds = {
        metric.name: (
            metric.sum if metric.HasField("sum") else metric.histogram
        ).aggregation_temporality
        for metric in receiver.received[0].metrics()
    }
    assert set(kinds.values()) == {AGGREGATION_TEMPORALITY_CUMULATIVE}
    assert {"hits", "size"} <= set(kinds)


def test_headers_and_compression_come_from_the_environment(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Collector that wants a token gets it the standard way."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    Telemetry(IDENTITY, push=Push(receiver.endpoint, 60)).shutdown()
    assert receiver.received[0].headers["authorization"] == "Bearer abc"
    assert receiver.received[0].headers["content-encoding"] == "gzip"


def test_address_of_the_metrics_alone_is_used_as_it_is(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The specification appends ``v1/metrics`` to the address of all signals only."""
    endpoint = f"{receiver.endpoint}/tenant/metrics"
    Telemetry(IDENTITY, push=Push(endpoint, 60)).shutdown()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint)
    Telemetry(IDENTITY, push=Push(endpoint, 60)).shutdown()
    assert [received.path for received in receiver.received] == [
        "/tenant/metrics/v1/metrics",
        "/tenant/metrics",
    ]


@pytest.mark.parametrize("signal", ["", "METRICS_"])
def test_timeout_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, signal: str) -> None:
    """In seconds, as the stock exporter of Python has it."""
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{signal}TIMEOUT", "0.05")
    with black_hole() as endpoint:
        telemetry = Telemetry(IDENTITY, push=Push(endpoint, 60))
        before = time.monotonic()
        assert not telemetry.flush(10)
        # the default would take two seconds
        assert time.monotonic() - before < 1.5
        telemetry.shutdown()


@pytest.mark.parametrize("timeout", ["soon", "0", "nan"])
def test_timeout_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, timeout: str) -> None:
    """Before the first push."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", timeout)
    with pytest.raises(SettingsError, match=f"OTEL_EXPORTER_OTLP_TIMEOUT={timeout}: "):
        Telemetry(IDENTITY, push=Push("http://127.0.0.1:1", 60))


def test_histograms_are_exponential_where_the_environment_prefers_it(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider of ours is the global one, so the histograms of others go through it too."""
    name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    for preference in ("base2_exponential_bucket_histogram", "explicit_bucket_histogram"):
        monkeypatch.setenv(name, preference)
        telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 60))
        telemetry.provider.get_meter("test").create_histogram("size").record(1)
        telemetry.shutdown()
    assert [
        metric.WhichOneof("data")
        for received in receiver.received
        for metric in received.metrics()
        if metric.name == "size"
    ] == ["exponential_histogram", "histogram"]


def test_no_sample_is_lost_while_the_receiver_restarts(receiver: OtlpReceiver) -> None:
    """What was measured while the receiver was away arrives later, in order, with its time."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 0.05))
    ticking(telemetry)
    receiver.wait_for(lambda got: len(got) >= 3)
    receiver.go_away()
    wait_until(lambda: health(telemetry).queued >= 10)
    receiver.come_back()
    receiver.wait_for(lambda got: len(got) >= 20)
    telemetry.shutdown()
    arrived = ticks(receiver)
    assert arrived == list(range(arrived[0], arrived[0] + len(arrived)))
    assert health(telemetry).lost == 0
    assert health(telemetry).failed_attempts > 0


def test_outage_is_said_once_and_its_end_once(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """One line when pushing starts to fail, one when it works again, none in between."""
    caplog.set_level(logging.INFO)
    receiver.go_away()
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 0.02))
    wait_until(lambda: health(telemetry).failed_attempts >= 5)
    receiver.come_back()
    wait_until(lambda: health(telemetry).delivered >= 5)
    telemetry.shutdown()
    failing, working = caplog.messages
    assert "fails: Connection refused;" in failing
    assert "works again" in working


def test_last_sample_arrives_at_shutdown(receiver: OtlpReceiver) -> None:
    """The end of a service is a collection too, long before the interval is over."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 3600))
    ticking(telemetry)
    telemetry.shutdown()
    assert ticks(receiver) == [0]


def test_flush_delivers_now(receiver: OtlpReceiver) -> None:
    """A flush returns once the receiver has it."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 3600))
    ticking(telemetry)
    assert telemetry.flush()
    assert ticks(receiver) == [0]
    telemetry.shutdown()


def test_failed_exports_are_reported_once_the_receiver_is_back(receiver: OtlpReceiver) -> None:
    """The gap shows in the metrics themselves."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 0.05))
    receiver.status = 503
    wait_until(lambda: health(telemetry).failed_attempts >= 2)
    receiver.status = 200
    wait_until(lambda: health(telemetry).queued == 0)
    telemetry.shutdown()
    last = {m.name: m for m in receiver.received[-1].metrics()}
    assert last["wiltonos.telemetry.failed_exports"].sum.data_points[0].as_int >= 2
    assert last["wiltonos.telemetry.lost_exports"].sum.data_points[0].as_int == 0


def health(telemetry: Telemetry) -> PushHealth:
    """What became of the pushes."""
    assert telemetry.push is not None
    return telemetry.push.health()


PROGRAM = """
    import logging, sys
    logging.basicConfig(level="INFO")
    from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
    telemetry = Telemetry(Identity("t", "0", "i"), push=Push(sys.argv[1], 0.1))
    telemetry.provider.get_meter("t").create_counter("hits").add(1)
    print("started", flush=True)
    sys.stdin.readline()
    telemetry.shutdown()
"""


def seconds_to_exit(endpoint: str) -> float:
    """How long a process takes to end after it was asked to, counting the interpreter's own."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), endpoint]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        assert process.stdin
        assert process.stderr
        assert "fails" in process.stderr.readline()
        start = time.monotonic()
        process.communicate("\n", timeout=30)
        assert process.returncode == 0
        return time.monotonic() - start


def test_process_ends_within_two_seconds_when_the_receiver_refuses(receiver: OtlpReceiver) -> None:
    """A stopped Collector does not hold a service up."""
    receiver.go_away()
    assert seconds_to_exit(receiver.endpoint) < 2


def test_process_ends_within_two_seconds_when_the_receiver_never_answers() -> None:
    """Neither does one that hangs."""
    with black_hole() as endpoint:
        assert seconds_to_exit(endpoint) < 2


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")]
)
def test_standard_switches_turn_pushing_off(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Nothing leaves the process when the environment says so."""
    monkeypatch.setenv(name, value)
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 0.01))
    telemetry.shutdown()
    assert telemetry.push is None
    assert receiver.received == []


def wait_until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return once ``holds()`` is true; fail after a bound."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)


def test_an_empty_endpoint_turns_pushing_off() -> None:
    """Who has no Collector says so once, and nothing complains about pushes."""
    telemetry = Telemetry(IDENTITY, push=Push("", 60))
    assert telemetry.push is None
    assert telemetry.flush()
    telemetry.shutdown()


def test_ten_thousand_series_are_not_folded_into_one(receiver: OtlpReceiver) -> None:
    """The SDK's own limit is 2,000 per instrument; the rest would become one point."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 3600), scrape=StockReader())

    def read(_options: CallbackOptions) -> Iterator[Observation]:
        return (Observation(1, {"loop": str(number)}) for number in range(10_000))

    telemetry.provider.get_meter("test").create_observable_gauge("many", [read])
    assert telemetry.scrape is not None
    assert telemetry.scrape.render("").body.count(b"\nmany{") == 10_000
    telemetry.shutdown(20)
    (many,) = [metric for metric in receiver.received[0].metrics() if metric.name == "many"]
    assert len(many.gauge.data_points) == 10_000


@pytest.mark.parametrize("pause", [True, False])
def test_garbage_waits_for_a_collection_where_that_is_wanted(
    receiver: OtlpReceiver, pause: bool
) -> None:
    """A process that asked for it collects no garbage while it collects metrics."""
    seen: list[bool] = []

    def observe(_options: CallbackOptions) -> list[Observation]:
        seen.append(gc.isenabled())
        return []

    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 3600, pause_garbage=pause))
    telemetry.provider.get_meter("test").create_observable_gauge("g", [observe])
    telemetry.flush()
    telemetry.shutdown()
    assert set(seen) == {not pause}
    assert gc.isenabled()


def test_flush_says_that_a_collection_could_not_be_sent(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left to deliver, and yet nothing was delivered."""
    telemetry = Telemetry(IDENTITY, push=Push(receiver.endpoint, 3600))
    # a lone surrogate has no encoding
    telemetry.provider.get_meter("\udcff").create_counter("hits").add(1)
    assert not telemetry.flush()
    telemetry.shutdown()
    assert "are lost: the batch cannot be encoded" in caplog.text
