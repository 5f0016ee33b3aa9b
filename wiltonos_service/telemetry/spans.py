"""The TracerProvider of a service of ours: where its spans are pushed, and its bounded end."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from wiltonos_service.telemetry.bounded import bounded
from wiltonos_service.telemetry.certificates import check_files
from wiltonos_service.telemetry.otlp import TRACES_PATH, OtlpHttp, signal_url
from wiltonos_service.telemetry.protocol import HTTP, protocol_of
from wiltonos_service.telemetry.provider import (
    SHUTDOWN_SECONDS,
    TIMEOUT_SECONDS,
    Identity,
    grpc_transport,
)
from wiltonos_service.telemetry.push import PushHealth, Queue
from wiltonos_service.telemetry.standard import check_endpoint, sdk_disabled, timeout_of
from wiltonos_service.telemetry.transport import Sender

Spans = Sequence[ReadableSpan]
# spans explain, metrics alarm: what a receiver that is away may cost stays small
MAX_BATCHES = 120
MAX_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class TracePush:
    """Where spans are pushed.

    Attributes:
        endpoint: base URL of an OTLP receiver; for HTTP ``/v1/traces`` is appended.
        url: the full address of the signal, taken as it stands; "" takes ``endpoint``.
        timeout_seconds: bound on one attempt to deliver.
    """

    endpoint: str
    url: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS


class Tracing:
    """A provider whose spans are pushed from a queue. Ends within a bound.

    Sampling is the SDK's: ``parentbased_always_on`` unless ``OTEL_TRACES_SAMPLER`` says otherwise,
    so that whoever began a trace decides.

    Args:
        identity: who the service is.
        push: where to push.
    """

    def __init__(self, identity: Identity, push: TracePush) -> None:
        self._queue: Queue[Spans] = Queue(
            _sender(push), max_batches=MAX_BATCHES, max_bytes=MAX_BYTES
        )
        self.provider = TracerProvider(resource=identity.resource(), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(_QueueingSpans(self._queue)))
        self._ended = False

    def health(self) -> PushHealth:
        """What became of the batches so far."""
        return self._queue.health()

    def flush(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Deliver what has ended by now, as far as the time allows."""

        def deliver() -> None:
            # the processor hands over to the queue, and does not wait for it
            self.provider.force_flush()
            self._queue.flush(seconds)

        bounded(deliver, seconds)

    def shutdown(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Deliver once more, and stop; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        bounded(self.provider.shutdown, seconds)


def make_tracing(identity: Identity, push: TracePush) -> Tracing | None:
    """Tracing, unless ``OTEL_SDK_DISABLED`` forbids it or there is nowhere to push to.

    Raises:
        SettingsError: the protocol is none that can be spoken here, or the address is none.
    """
    if sdk_disabled(os.environ) or not (push.url or push.endpoint):
        return None
    return Tracing(identity, push)


class _QueueingSpans(SpanExporter):
    def __init__(self, queue: Queue[Spans]) -> None:
        self._queue = queue

    def export(self, spans: Spans) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self._queue.put(spans) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._queue.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        self._queue.close()


def _sender(push: TracePush) -> Sender[Spans]:
    protocol = protocol_of(os.environ, "TRACES")
    check_endpoint(push.url or push.endpoint, protocol)
    files = check_files(os.environ, "TRACES")
    seconds = timeout_of(os.environ, "TRACES", push.timeout_seconds)
    if protocol == HTTP:
        url = push.url or signal_url(push.endpoint, TRACES_PATH)
        return OtlpHttp(OTLPSpanExporter, url, seconds, files.get("CERTIFICATE"))
    grpc = grpc_transport(protocol)
    sender: Sender[Spans] = grpc.OtlpGrpc(grpc.TRACES, push.url or push.endpoint, seconds)
    return sender
