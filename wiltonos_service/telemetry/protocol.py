"""Which OTLP the standard variables ask for; needs nothing but the standard library."""

from collections.abc import Mapping

HTTP = "http/protobuf"
GRPC = "grpc"
OTLP = "otlp"
# what opentelemetry-python calls its exporters of one protocol (the entry points of its packages)
NAMED = {"otlp_proto_http": HTTP, "otlp_proto_grpc": GRPC}
# of the local Collector
_HTTP_ENDPOINT = "http://127.0.0.1:4318"
_GRPC_ENDPOINT = "http://127.0.0.1:4317"


def exporter_names(environ: Mapping[str, str], signal: str) -> list[str]:
    """What ``OTEL_<signal>_EXPORTER`` lists, as it is written."""
    listed = (name.strip() for name in environ.get(f"OTEL_{signal}_EXPORTER", "").split(","))
    return [name for name in listed if name]


def protocol_of(environ: Mapping[str, str], signal: str = "METRICS") -> str:
    """The protocol of a signal (OpenTelemetry specification, OTLP).

    Where the list of exporters names one by its protocol, as opentelemetry-python lets it, that one
    wins, the first of two.
    """
    for name in exporter_names(environ, signal):
        if named := NAMED.get(name.lower()):
            return named
    of_signal = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "").strip()
    return of_signal or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or HTTP


def default_endpoint(environ: Mapping[str, str]) -> str:
    """Where metrics are pushed when nobody says where: the local Collector."""
    return _GRPC_ENDPOINT if protocol_of(environ) == GRPC else _HTTP_ENDPOINT
