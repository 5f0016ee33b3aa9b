"""Where the parts of the stack listen, find each other and keep files.

This is all that the variants of the configuration differ in.
"""

from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.stack.ports import LOOPBACK, Ports

_DEFAULT = Ports()
# in a container every interface is the container's own
_ANY = "0.0.0.0"  # noqa: S104 - published on loopback only


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses as host:port, and the URLs that people see.

    Attributes:
        collector_grpc_listen: where the Collector takes OTLP over gRPC.
        collector_http_listen: where the Collector takes OTLP over HTTP.
        collector_health_listen: where the Collector answers health checks.
        collector_metrics_listen: where the Collector offers its own metrics.
        collector_metrics: where Prometheus finds those metrics.
        collector_http: where others find the Collector's OTLP receiver over HTTP.
        prometheus_listen: where Prometheus listens.
        prometheus: where the others find Prometheus.
        alertmanager_listen: where Alertmanager listens.
        alertmanager: where Prometheus finds Alertmanager.
        notifier: where Alertmanager finds the notifier.
        prometheus_public: URL of Prometheus in links.
        alertmanager_public: URL of Alertmanager in links.
        notifier_public: URL of the notifier's pages in links.
        traces: full URL to which the Collector sends traces; "" leaves tracing out.
    """

    collector_grpc_listen: str
    collector_http_listen: str
    collector_health_listen: str
    collector_metrics_listen: str
    collector_metrics: str
    collector_http: str
    prometheus_listen: str
    prometheus: str
    alertmanager_listen: str
    alertmanager: str
    notifier: str
    prometheus_public: str
    alertmanager_public: str
    notifier_public: str
    traces: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """Files and directories that the configuration names.

    Attributes:
        collector_queue: directory of the Collector's queue.
        notifier_token: file that holds the notifier's bearer token.
    """

    collector_queue: Path
    notifier_token: Path


COMPOSE_ADDRESSES = Addresses(
    collector_grpc_listen=f"{_ANY}:{_DEFAULT.otlp_grpc}",
    collector_http_listen=f"{_ANY}:{_DEFAULT.otlp_http}",
    collector_health_listen=f"{_ANY}:{_DEFAULT.collector_health}",
    collector_metrics_listen=f"{_ANY}:{_DEFAULT.collector_metrics}",
    collector_metrics=f"collector:{_DEFAULT.collector_metrics}",
    collector_http=f"collector:{_DEFAULT.otlp_http}",
    prometheus_listen=f"{_ANY}:{_DEFAULT.prometheus}",
    prometheus=f"prometheus:{_DEFAULT.prometheus}",
    alertmanager_listen=f"{_ANY}:{_DEFAULT.alertmanager}",
    alertmanager=f"alertmanager:{_DEFAULT.alertmanager}",
    notifier=f"notifier:{_DEFAULT.notifier}",
    prometheus_public=f"http://{LOOPBACK}:{_DEFAULT.prometheus}",
    alertmanager_public=f"http://{LOOPBACK}:{_DEFAULT.alertmanager}",
    notifier_public=f"http://{LOOPBACK}:{_DEFAULT.notifier}",
)
# where the Jaeger of docker-compose.yml takes traces
JAEGER_TRACES = f"http://jaeger:{_DEFAULT.otlp_http}/v1/traces"
COMPOSE_FILES = Files(
    collector_queue=Path("/var/lib/otelcol/queue"),
    notifier_token=Path("/run/secrets/notifier_token"),
)


def native_addresses(ports: Ports, *, notifier: str | None = None, traces: str = "") -> Addresses:
    """The addresses of a native stack on these ports.

    Args:
        ports: where the programs listen.
        notifier: host:port of the notifier where the configuration states one.
        traces: full URL to which the Collector sends traces; "" leaves tracing out.
    """
    notifier = notifier or f"{LOOPBACK}:{ports.notifier}"
    metrics = f"{LOOPBACK}:{ports.collector_metrics}"
    prometheus = f"{LOOPBACK}:{ports.prometheus}"
    alertmanager = f"{LOOPBACK}:{ports.alertmanager}"
    return Addresses(
        collector_grpc_listen=f"{LOOPBACK}:{ports.otlp_grpc}",
        collector_http_listen=f"{LOOPBACK}:{ports.otlp_http}",
        collector_health_listen=f"{LOOPBACK}:{ports.collector_health}",
        collector_metrics_listen=metrics,
        collector_metrics=metrics,
        collector_http=f"{LOOPBACK}:{ports.otlp_http}",
        prometheus_listen=prometheus,
        prometheus=prometheus,
        alertmanager_listen=alertmanager,
        alertmanager=alertmanager,
        notifier=notifier,
        prometheus_public=f"http://{prometheus}",
        alertmanager_public=f"http://{alertmanager}",
        notifier_public=f"http://{notifier}",
        traces=traces,
    )
