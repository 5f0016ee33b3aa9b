"""What ``configure()`` makes where the process has no MeterProvider; needs the SDK."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from socket import gethostname

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME

from wiltonos_otel.errors import OptionsError
from wiltonos_otel.options import Options
from wiltonos_otel.scrape import FastMetricReader
from wiltonos_otel.scrape.serve import MetricsServer
from wiltonos_service.errors import SettingsError
from wiltonos_service.listen import HIGHEST_PORT
from wiltonos_service.telemetry.provider import (
    SERVICE_INSTANCE_ID,
    Identity,
    Push,
    Telemetry,
)
from wiltonos_service.telemetry.standard import PROMETHEUS, metrics_exporters

_HOST = "OTEL_EXPORTER_PROMETHEUS_HOST"
_PORT = "OTEL_EXPORTER_PROMETHEUS_PORT"
# OpenTelemetry specification, SDK environment, "Prometheus Exporter"
DEFAULT_HOST = "localhost"
DEFAULT_PORT = 9464
# of the two that the end of a process may take
_PAGE_SECONDS = 0.2


class Own:
    """A MeterProvider with what ``OTEL_METRICS_EXPORTER`` names, OTLP by default.

    Args:
        options: where to push, and how often.
        service_name: the resource attribute, where it is given.
        instance_id: the same.

    Attributes:
        in_force: what came of the arguments of ``configure()``, by their names.

    Raises:
        OptionsError: a variable states something wrong, or the page cannot listen.
    """

    def __init__(self, options: Options, service_name: str | None, instance_id: str | None) -> None:
        identity = _identity(service_name, instance_id)
        scraped = PROMETHEUS in metrics_exporters(os.environ).chosen
        reader = FastMetricReader() if scraped else None
        self._page = _serve(reader, os.environ) if reader else None
        push = Push(options.otlp_endpoint, options.export_interval_seconds)
        try:
            self._telemetry = Telemetry(identity, push=push, scrape=reader)
        except SettingsError as error:
            self._close_page()
            raise OptionsError(str(error)) from None

        resource = identity.resource().attributes
        self.in_force: dict[str, object] = {
            "service_name": resource[SERVICE_NAME],
            "instance_id": resource[SERVICE_INSTANCE_ID],
            "otlp_endpoint": options.otlp_endpoint,
            "export_interval_seconds": options.export_interval_seconds,
        }

    @property
    def provider(self) -> MeterProvider:
        """The provider."""
        return self._telemetry.provider

    def flush(self, seconds: float) -> bool:
        """Collect and deliver now; False when that took longer or failed."""
        return self._telemetry.flush(seconds)

    def shutdown(self) -> None:
        """Collect and deliver once more, and stop, within two seconds."""
        self._close_page()
        self._telemetry.shutdown()

    def _close_page(self) -> None:
        if self._page:
            self._page.close(_PAGE_SECONDS)


def _identity(service_name: str | None, instance_id: str | None) -> Identity:
    given = {SERVICE_NAME: service_name, SERVICE_INSTANCE_ID: instance_id}
    return Identity(
        service_name or f"unknown_service:{Path(sys.executable).name}",
        version="",
        instance_id=instance_id or gethostname(),
        stated=frozenset(key for key, value in given.items() if value),
    )


def _serve(reader: FastMetricReader, environ: Mapping[str, str]) -> MetricsServer:
    host = environ.get(_HOST) or DEFAULT_HOST
    text = environ.get(_PORT) or str(DEFAULT_PORT)
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= HIGHEST_PORT:
        raise OptionsError(f"{_PORT}={text!r} is no port; write a number up to {HIGHEST_PORT}")
    try:
        return MetricsServer(reader, host, port)
    except OSError as error:
        raise OptionsError(
            f"metrics cannot be served on {host}:{port}: {error.strerror}; "
            f"name another address: {_HOST}, {_PORT}"
        ) from None
