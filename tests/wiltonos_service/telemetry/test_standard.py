"""The standard variables that no stock exporter reads for us."""

import pytest

from wiltonos_service.telemetry.protocol import default_endpoint, protocol_of
from wiltonos_service.telemetry.standard import Exporters, metrics_exporters


@pytest.mark.parametrize(
    ("stated", "chosen", "unknown"),
    [
        ("", {"otlp"}, ()),
        (" , ", {"otlp"}, ()),
        ("otlp", {"otlp"}, ()),
        ("none", set(), ()),
        (" None ", set(), ()),
        ("console,Prometheus", {"console", "prometheus"}, ()),
        ("otlp, console ,otlp", {"otlp", "console"}, ()),
        ("otlp_proto_grpc,Console", {"otlp", "console"}, ()),
        ("zipkin", {"otlp"}, ("zipkin",)),
        ("zipkin,console", {"console"}, ("zipkin",)),
        ("none,console", {"console"}, ("none",)),
    ],
)
def test_exporters_are_those_of_the_specification(
    stated: str, chosen: set[str], unknown: tuple[str, ...]
) -> None:
    """A list, in any case and spacing; none by itself; the default where nothing is known."""
    environ = {"OTEL_METRICS_EXPORTER": stated}
    assert metrics_exporters(environ) == Exporters(frozenset(chosen), unknown)
    assert metrics_exporters({**environ, "OTEL_SDK_DISABLED": "TRUE"}).chosen == frozenset()


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": " grpc "}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, "grpc"),
        ({"OTEL_METRICS_EXPORTER": "console, OTLP_proto_grpc"}, "grpc"),
        ({"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"}, "http/protobuf"),
        (
            {"OTEL_METRICS_EXPORTER": "otlp_proto_http", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "http/protobuf",
        ),
        (
            {
                "OTEL_METRICS_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
            },
            "http/protobuf",
        ),
    ],
)
def test_protocol_is_what_the_exporter_is_named_after(
    environ: dict[str, str], protocol: str
) -> None:
    """Else that of the signal, else that of all, else HTTP; each has its port."""
    assert protocol_of(environ) == protocol
    port = 4317 if protocol == "grpc" else 4318
    assert default_endpoint(environ) == f"http://127.0.0.1:{port}"
