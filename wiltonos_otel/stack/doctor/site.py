"""Where a pipe of somebody else is, as its addresses were named on the command line."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.util.re import parse_env_headers

from wiltonos_otel.stack.pipe import Pipe
from wiltonos_service.addresses import is_http
from wiltonos_service.errors import UsageError

OTLP_PATH = "/v1/metrics"
HEADERS = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")


@dataclass(frozen=True, slots=True)
class Site:
    """Addresses of the parts of a pipe; what is not named is not asked.

    Attributes:
        otlp_endpoint: base URL of an OTLP/HTTP receiver.
        collector_metrics_url: base URL of the Collector's own metrics.
        prometheus_url: base URL of Prometheus.
        alertmanager_url: base URL of Alertmanager.
        notifier_url: base URL of the notifier.
        notifier_token_file: file of the notifier's token.
    """

    otlp_endpoint: str | None = None
    collector_metrics_url: str | None = None
    prometheus_url: str | None = None
    alertmanager_url: str | None = None
    notifier_url: str | None = None
    notifier_token_file: Path | None = None

    def urls(self) -> dict[str, str]:
        """Base URL by listener, of those that were named.

        Raises:
            UsageError: one is no http or https URL.
        """
        named = {
            "otlp_http": ("--otlp-endpoint", self.otlp_endpoint),
            "collector_metrics": ("--collector-metrics-url", self.collector_metrics_url),
            "prometheus": ("--prometheus-url", self.prometheus_url),
            "alertmanager": ("--alertmanager-url", self.alertmanager_url),
            "notifier": ("--notifier-url", self.notifier_url),
        }
        return {key: _checked(*pair) for key, pair in named.items() if pair[1]}


def pipe_at(site: Site, environ: Mapping[str, str]) -> Pipe | None:
    """The pipe at those addresses; None when none was named.

    Args:
        site: the addresses.
        environ: says with ``OTEL_EXPORTER_OTLP_HEADERS`` what the endpoint wants to hear.

    Raises:
        UsageError: an address is no URL.
    """
    urls = site.urls()
    if not urls:
        return None
    tokens = {"notifier": site.notifier_token_file} if site.notifier_token_file else {}
    headers = next((environ[name] for name in HEADERS if environ.get(name)), "")
    clock = time.time  # noqa: TID251 - the composition root chooses the clock
    return Pipe(urls, tokens, clock, headers=parse_env_headers(headers, liberal=True))


def _checked(option: str, url: str | None) -> str:
    if not is_http(url or ""):
        raise UsageError(f"{option} {url!r} is no URL; the form is http://host:port")
    return (url or "").rstrip("/").removesuffix(OTLP_PATH)
