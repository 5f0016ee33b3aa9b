"""The standard variables that no stock exporter reads for us."""

from contextlib import nullcontext

import pytest

from wiltonos_service.errors import SettingsError
from wiltonos_service.telemetry.protocol import default_endpoint, protocol_of
from wiltonos_service.telemetry.standard import Exporters, check_endpoint, metrics_exporters


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


@pytest.mark.parametrize(
    ("endpoint", "protocol", "is_one"),
    [
        ("http://127.0.0.1:4318", "http/protobuf", True),
        ("https://collector.example/v1/metrics", "http/protobuf", True),
        ("HTTP://[::1]:4318", "http/protobuf", True),
        ("localhost:4318", "http/protobuf", False),
        ("collector", "http/protobuf", False),
        ("grpc://collector:4317", "http/protobuf", False),
        ("http://", "http/protobuf", False),
        ("http://:4318", "http/protobuf", False),
        ("http://[::1", "http/protobuf", False),
        ("http://collector:99999", "http/protobuf", False),
        ("http://the collector:4318", "http/protobuf", False),
        ("localhost:4317", "grpc", True),
        ("https://collector:4317", "grpc", True),
        ("unix:///run/collector", "grpc", False),
        ("localhost:port", "grpc", False),
    ],
)
def test_address_that_no_push_can_reach_is_refused(
    endpoint: str, protocol: str, is_one: bool
) -> None:
    """At the start and in one line, rather than tried again each second for ever."""
    with nullcontext() if is_one else pytest.raises(SettingsError, match="write it like http://"):
        check_endpoint(endpoint, protocol)


def test_password_in_a_wrong_address_is_not_shown() -> None:
    """The line ends in a log."""
    with pytest.raises(SettingsError) as caught:
        check_endpoint("http://me:hunter2@:4318", "http/protobuf")
    assert "hunter2" not in str(caught.value)
