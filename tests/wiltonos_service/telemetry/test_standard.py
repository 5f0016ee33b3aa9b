"""The standard variables that no stock exporter reads for us."""

import pytest

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
