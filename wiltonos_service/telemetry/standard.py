"""What the standard variables say and no stock exporter reads for us (OpenTelemetry, OTLP)."""

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation

from wiltonos_service.addresses import is_http
from wiltonos_service.errors import SettingsError
from wiltonos_service.redaction import redact
from wiltonos_service.telemetry.otlp import signal_url
from wiltonos_service.telemetry.protocol import GRPC, NAMED, OTLP, exporter_names

EXPONENTIAL = "base2_exponential_bucket_histogram"
CONSOLE = "console"
PROMETHEUS = "prometheus"
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Exporters:
    """What ``OTEL_METRICS_EXPORTER`` names.

    Attributes:
        chosen: of ``otlp``, ``console`` and ``prometheus``.
        unknown: the rest, as it is written.
    """

    chosen: frozenset[str]
    unknown: tuple[str, ...] = ()


def metrics_exporters(environ: Mapping[str, str]) -> Exporters:
    """The exporters of metrics (OpenTelemetry specification, SDK environment).

    A name that is unknown is passed over, and where none is known the default counts, OTLP. None
    at all are chosen by ``none`` alone, and where ``OTEL_SDK_DISABLED`` is ``true``.
    """
    names = exporter_names(environ, "METRICS")
    if sdk_disabled(environ) or [name.lower() for name in names] == [_NONE]:
        return Exporters(frozenset())
    known = {name: name for name in (OTLP, CONSOLE, PROMETHEUS)} | dict.fromkeys(NAMED, OTLP)
    chosen = frozenset(known[name.lower()] for name in names if name.lower() in known)
    unknown = tuple(name for name in names if name.lower() not in known)
    return Exporters(chosen or frozenset({OTLP}), unknown)


def sdk_disabled(environ: Mapping[str, str]) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` says so (OpenTelemetry specification, SDK environment)."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def metrics_url(endpoint: str, environ: Mapping[str, str]) -> str:
    """The address that metrics are posted to.

    Where the variable of the metrics alone names the endpoint, that is the address as it is; any
    other is the base address of a receiver.
    """
    of_metrics = environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    return endpoint if endpoint == of_metrics else signal_url(endpoint)


def check_endpoint(endpoint: str, protocol: str) -> None:
    """Refuse an address of a receiver that no push can ever reach.

    Args:
        endpoint: base or full URL; for gRPC a target like ``host:4317`` as well.
        protocol: the one that is spoken there.

    Raises:
        SettingsError: it is none.
    """
    bare = protocol == GRPC and "//" not in endpoint
    url = f"http://{endpoint}" if bare else endpoint
    if not is_http(url) or " " in endpoint:
        port = 4317 if protocol == GRPC else 4318
        raise SettingsError(
            f"OTLP endpoint {redact(endpoint)!r} is no address of a receiver; "
            f"write it like http://127.0.0.1:{port}"
        )


def timeout_of(environ: Mapping[str, str], signal: str, default_seconds: float) -> float:
    """The bound on one attempt to deliver: seconds, as the stock exporters of Python read it.

    Args:
        environ: the environment.
        signal: METRICS or TRACES, whose own variable wins.
        default_seconds: the bound where neither variable is set.

    Raises:
        SettingsError: that is no positive number; the text names the variable.
    """
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"):
        if text := environ.get(name):
            return _seconds(name, text)
    return default_seconds


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(f"{name}={text}: no positive number of seconds; correct it")
    return seconds


def preferred_aggregation(environ: Mapping[str, str]) -> dict[type, Aggregation]:
    """How instruments are aggregated that no view speaks of."""
    preferred = environ.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "")
    if preferred.strip().lower() != EXPONENTIAL:
        return {}
    return {Histogram: ExponentialBucketHistogramAggregation()}
