"""An OTLP/HTTP receiver for tests: a real server that can be away, silent or refuse."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span, and the service that made it."""

    service: str
    span: Span

    @property
    def attributes(self) -> dict[str, str | int | float | list[str]]:
        """Its attributes as Python values."""
        return {item.key: _value(item.value) for item in self.span.attributes}


@dataclass(frozen=True, slots=True)
class Received:
    """One request that the receiver took.

    Attributes:
        path: the path that was posted to.
        headers: the request's headers, names in lower case.
        request: the decoded body, where it holds metrics.
        traces: the decoded body, where it holds spans.
    """

    path: str
    headers: dict[str, str]
    request: ExportMetricsServiceRequest
    traces: ExportTraceServiceRequest

    def spans(self) -> Iterator[ReceivedSpan]:
        """Every span of every scope."""
        for part in self.traces.resource_spans:
            named = {item.key: item.value.string_value for item in part.resource.attributes}
            for scope in part.scope_spans:
                for span in scope.spans:
                    yield ReceivedSpan(named.get("service.name", ""), span)

    def metrics(self) -> Iterator[Metric]:
        """Every metric of every scope."""
        for resource in self.request.resource_metrics:
            for scope in resource.scope_metrics:
                yield from scope.metrics

    def resource(self) -> dict[str, str]:
        """The attributes of the first resource."""
        attributes = self.request.resource_metrics[0].resource.attributes
        return {item.key: item.value.string_value for item in attributes}


@dataclass
class OtlpReceiver:
    """Listens on a free port of the loopback interface.

    Attributes:
        status: what it answers; anything but 200 stores nothing.
        received: what it took, oldest first.
        tls: makes it speak TLS; None speaks HTTP.
    """

    status: int = 200
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.come_back()

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def go_away(self) -> None:
        """Stop listening: connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._server = _Server(("127.0.0.1", self.port), _handler_of(self))
        self.port = self._server.server_address[1]
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="otlp-receiver", daemon=True
        ).start()

    def spans(self) -> list[ReceivedSpan]:
        """Every span that it took."""
        with self._changed:
            return [span for received in self.received for span in received.spans()]

    def take(self, received: Received) -> None:
        """Store a request, and wake who waits for it."""
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()

    def wait_for(
        self, holds: Callable[[list[Received]], object], timeout_seconds: float = 10
    ) -> list[Received]:
        """What was received, once ``holds`` is true of it.

        Raises:
            TimeoutError: it did not become true in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self.received), timeout_seconds):
                raise TimeoutError(f"after {timeout_seconds} s: {len(self.received)} requests")
            return list(self.received)


@contextmanager
def otlp_receiver(tls: ssl.SSLContext | None = None) -> Iterator[OtlpReceiver]:
    """A receiver that is gone at the end of the block."""
    receiver = OtlpReceiver(tls=tls)
    try:
        yield receiver
    finally:
        receiver.go_away()


@contextmanager
def black_hole() -> Iterator[str]:
    """The base URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _value(value: AnyValue) -> str | int | float | list[str]:
    if value.HasField("array_value"):
        return [each.string_value for each in value.array_value.values]
    found: str | int | float = getattr(value, str(value.WhichOneof("value")))
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # many who come at once, as forked workers do at their end: beyond it they wait for a second
    request_queue_size = 128


def _handler_of(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # a sender that died in the middle of it
                self.close_connection = True
                return
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if receiver.status == 200:
                headers = {name.lower(): value for name, value in self.headers.items()}
                spans = self.path.endswith("/v1/traces")
                request = ExportMetricsServiceRequest.FromString(b"" if spans else body)
                traces = ExportTraceServiceRequest.FromString(body if spans else b"")
                receiver.take(Received(self.path, headers, request, traces))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    return Handler
