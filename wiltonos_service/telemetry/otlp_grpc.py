"""OTLP over gRPC: one call per attempt, and what came of it as a value.

Headers, TLS and compression come from ``OTEL_EXPORTER_OTLP_*`` as the stock exporter reads them
(OpenTelemetry specification, "OTLP Exporter Configuration").
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import grpc
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.re import parse_env_headers

from wiltonos_service.redaction import redact
from wiltonos_service.telemetry.encoding import MetricsEncoder
from wiltonos_service.telemetry.transport import Attempt, CannotPackError, Outcome, Packed

Data = TypeVar("Data")

# OTLP specification 1.x, "OTLP/gRPC Response": these may be tried again. RESOURCE_EXHAUSTED may
# only with a hint of the server, but a queue that forgets nothing may as well ask again.
RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


@dataclass(frozen=True, slots=True)
class Service(Generic[Data]):
    """What differs between the signals.

    Attributes:
        signal: as it stands in ``OTEL_EXPORTER_OTLP_<signal>_*``.
        method: what is called.
        encode: makes the message.
    """

    signal: str
    method: str
    encode: Callable[[Data], Any]


def metrics_service() -> Service[MetricsData]:
    """The service of metrics, with an encoder of its own that remembers series."""
    method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    return Service("METRICS", method, MetricsEncoder().encode)


TRACES: Service[Sequence[ReadableSpan]] = Service(
    "TRACES", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", encode_spans
)


class OtlpGrpc(Generic[Data]):
    """Calls the service of one signal of an OTLP receiver.

    Args:
        service: of the signal.
        endpoint: base URL, ``http://`` without TLS and ``https://`` with it.
        timeout_seconds: bound on a call.
        environ: the environment.
    """

    def __init__(
        self,
        service: Service[Data],
        endpoint: str,
        timeout_seconds: float,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._service = service
        self.target = redact(endpoint)
        self._endpoint = endpoint
        self._timeout_seconds = timeout_seconds
        self._environ = os.environ if environ is None else environ
        headers = parse_env_headers(self._variable("HEADERS"), liberal=True)
        self._metadata = tuple(headers.items())
        gzip = self._variable("COMPRESSION").strip().lower() == "gzip"
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        self._channel: grpc.Channel | None = None

    def pack(self, data: Data) -> Packed:
        """The message of a call.

        Raises:
            CannotPackError: it cannot be encoded.
        """
        try:
            return Packed(self._service.encode(data).SerializeToString())
        except Exception as error:
            raise CannotPackError(f"the batch cannot be encoded: {type(error).__name__}") from error

    def send(self, packed: Packed) -> Attempt:
        """Call once."""
        if self._channel is None:
            try:
                self._channel = self._open()
            except OSError as error:
                # a certificate that has gone may come back
                return Attempt(Outcome.RETRY, str(error.strerror))
        # without a deserializer the answer stays as it is: nothing in it matters
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            self._service.method
        )
        try:
            call(
                packed.body,
                timeout=self._timeout_seconds,
                metadata=self._metadata,
                compression=self._compression,
            )
        except grpc.RpcError as error:
            # what a unary call raises is a call as well (grpc, Call.code)
            code = error.code()
            outcome = Outcome.RETRY if code in RETRYABLE else Outcome.REFUSED
            return Attempt(outcome, f"gRPC {code.name}")
        return Attempt(Outcome.DELIVERED)

    def reopen(self) -> None:
        """Open a channel of its own at the next call; the parent's is left alone."""
        self._channel = None

    def close(self) -> None:
        """Let go of the channel."""
        if self._channel is not None:
            self._channel.close()

    def _open(self) -> grpc.Channel:
        url = urlsplit(self._endpoint if "//" in self._endpoint else f"//{self._endpoint}")
        if url.scheme == "https" or (not url.scheme and not self._insecure()):
            return grpc.secure_channel(url.netloc, self._credentials())
        return grpc.insecure_channel(url.netloc)

    def _insecure(self) -> bool:
        return self._variable("INSECURE").strip().lower() == "true"

    def _credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self._file("CERTIFICATE"), self._file("CLIENT_KEY"), self._file("CLIENT_CERTIFICATE")
        )

    def _file(self, name: str) -> bytes | None:
        path = self._variable(name)
        return Path(path).read_bytes() if path else None

    def _variable(self, name: str) -> str:
        of_signal = self._environ.get(f"OTEL_EXPORTER_OTLP_{self._service.signal}_{name}")
        return of_signal or self._environ.get(f"OTEL_EXPORTER_OTLP_{name}") or ""
