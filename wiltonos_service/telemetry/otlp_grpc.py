"""OTLP over gRPC: one call per attempt, and what came of it as a value.

Headers, TLS and compression come from ``OTEL_EXPORTER_OTLP_*`` as the stock exporter reads them
(OpenTelemetry specification, "OTLP Exporter Configuration").
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.util.re import parse_env_headers

from wiltonos_service.telemetry.transport import Attempt, CannotPackError, Outcome, Packed

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
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


class OtlpGrpc:
    """Calls the metrics service of an OTLP receiver.

    Args:
        endpoint: base URL, ``http://`` without TLS and ``https://`` with it.
        timeout_seconds: bound on a call.
        environ: the environment.
    """

    def __init__(
        self, endpoint: str, timeout_seconds: float, environ: Mapping[str, str] | None = None
    ) -> None:
        self.target = endpoint
        self._timeout_seconds = timeout_seconds
        self._environ = os.environ if environ is None else environ
        headers = parse_env_headers(self._variable("HEADERS"), liberal=True)
        self._metadata = tuple(headers.items())
        gzip = self._variable("COMPRESSION").strip().lower() == "gzip"
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        self._channel: grpc.Channel | None = None

    def pack(self, data: MetricsData) -> Packed:
        """The message of a call.

        Raises:
            CannotPackError: it cannot be encoded.
        """
        try:
            return Packed(encode_metrics(data).SerializeToString())
        except Exception as error:
            raise CannotPackError(f"the batch cannot be encoded: {type(error).__name__}") from error

    def send(self, packed: Packed) -> Attempt:
        """Call once."""
        if self._channel is None:
            self._channel = self._open()
        call: grpc.UnaryUnaryMultiCallable[bytes, ExportMetricsServiceResponse] = (
            self._channel.unary_unary(
                METHOD, response_deserializer=ExportMetricsServiceResponse.FromString
            )
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
        url = urlsplit(self.target if "//" in self.target else f"//{self.target}")
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
        of_metrics = self._environ.get(f"OTEL_EXPORTER_OTLP_METRICS_{name}")
        return of_metrics or self._environ.get(f"OTEL_EXPORTER_OTLP_{name}") or ""
