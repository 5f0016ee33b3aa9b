"""OTLP over gRPC, against a real gRPC server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from wiltonos_service.errors import SettingsError
from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
from wiltonos_service.telemetry.spans import TracePush, make_tracing

IDENTITY = Identity("wiltonos-test", "1.2.3", "host:7")


@dataclass
class Receiver(MetricsServiceServicer):
    """A metrics service whose answer the test decides."""

    answer: grpc.StatusCode = grpc.StatusCode.OK
    port: int = 0
    taken: list[ExportMetricsServiceRequest] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    calls: int = 0

    def Export(  # noqa: N802 - the name of the service's method
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        """Take a request, or answer with the status."""
        self.calls += 1
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        if self.answer is not grpc.StatusCode.OK:
            context.abort(self.answer, "no")
        self.taken.append(request)
        return ExportMetricsServiceResponse()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running server."""
    servicer = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    servicer.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer
    server.stop(0).wait(5)


def push(receiver: Receiver, interval_seconds: float = 60) -> Telemetry:
    """A provider that pushes there."""
    endpoint = f"http://127.0.0.1:{receiver.port}"
    telemetry = Telemetry(IDENTITY, push=Push(endpoint, interval_seconds, protocol="grpc"))
    telemetry.provider.get_meter("test").create_counter("hits").add(3)
    return telemetry


def test_collection_arrives_with_headers_and_compression(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard variables are read as for HTTP."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip")
    push(receiver).shutdown()
    (request,) = receiver.taken
    metrics = {m.name: m for s in request.resource_metrics[0].scope_metrics for m in s.metrics}
    assert metrics["hits"].sum.data_points[0].as_int == 3
    assert receiver.metadata["authorization"] == "Bearer abc"


def test_standard_variable_chooses_the_protocol(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OTEL_EXPORTER_OTLP_PROTOCOL=grpc``, and one for metrics wins over it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    endpoint = f"http://127.0.0.1:{receiver.port}"
    with pytest.raises(SettingsError, match="http/json"):
        Telemetry(IDENTITY, push=Push(endpoint, 3600))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
    Telemetry(IDENTITY, push=Push(endpoint, 3600)).shutdown()
    assert len(receiver.taken) == 1


def test_exporter_named_after_grpc_speaks_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``otlp_proto_grpc`` is what opentelemetry-python calls it, whatever the protocol says."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp_proto_grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    Telemetry(IDENTITY, push=Push(f"http://127.0.0.1:{receiver.port}", 3600)).shutdown()
    assert len(receiver.taken) == 1


@pytest.mark.parametrize(
    ("answer", "lost"),
    [(grpc.StatusCode.UNAVAILABLE, 0), (grpc.StatusCode.INVALID_ARGUMENT, 1)],
)
def test_what_may_be_tried_again_is_and_the_rest_is_counted(
    receiver: Receiver, answer: grpc.StatusCode, lost: int
) -> None:
    """As the specification of OTLP has it."""
    receiver.answer = answer
    telemetry = push(receiver)
    telemetry.flush(1)
    receiver.answer = grpc.StatusCode.OK
    assert telemetry.flush(5) or telemetry.flush(5)
    assert telemetry.push
    assert telemetry.push.health().lost == lost
    assert telemetry.push.health().failing == ""
    assert len(receiver.taken) == receiver.calls - telemetry.push.health().failed_attempts
    telemetry.shutdown()


def test_nobody_there_is_said_and_ends_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """A closed port is one line."""
    telemetry = push(Receiver(port=1))
    assert not telemetry.flush(1)
    telemetry.shutdown(1.8)
    assert "fails: gRPC" in caplog.text


class TraceReceiver(TraceServiceServicer):
    """A trace service that takes everything."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(  # noqa: N802 - the name of the service's method
        self, request: ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take a request."""
        scopes = [scope for each in request.resource_spans for scope in each.scope_spans]
        self.names += [span.name for scope in scopes for span in scope.spans]
        return ExportTraceServiceResponse()


def test_spans_go_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc`` is heeded for spans."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    receiver = TraceReceiver()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        tracing = make_tracing(IDENTITY, TracePush(f"http://127.0.0.1:{port}"))
        assert tracing is not None
        with tracing.provider.get_tracer("t").start_as_current_span("told"):
            pass
        tracing.shutdown()
        assert receiver.names == ["told"]
    finally:
        server.stop(None).wait()


def test_a_disabled_sdk_makes_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_SDK_DISABLED`` counts, and so does an empty endpoint."""
    assert make_tracing(IDENTITY, TracePush("")) is None
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert make_tracing(IDENTITY, TracePush("http://127.0.0.1:1")) is None
