"""The MeterProvider of a service of ours: who it is, where it pushes, and its bounded end."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)

from wiltonos_service.telemetry.exposition import ScrapeReader
from wiltonos_service.telemetry.limits import cardinality_limits
from wiltonos_service.telemetry.otlp import OtlpHttp, metrics_url
from wiltonos_service.telemetry.push import Prepare, PushHealth, QueueingExporter

SERVICE_INSTANCE_ID = "service.instance.id"
# how long a receiver may be away before pushes are lost
QUEUE_SECONDS = 600
TIMEOUT_SECONDS = 2.0
SHUTDOWN_SECONDS = 1.8
METER = "wiltonos_service.telemetry"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a service is to those who read its metrics; ``OTEL_*`` variables win over defaults.

    Attributes:
        service_name: becomes the label ``job``.
        version: of the program; "" leaves it out.
        instance_id: becomes the label ``instance``; the same after a restart, or every series
            and every alert would begin anew.
        stated: the service name was given by the user, and wins over ``OTEL_SERVICE_NAME``.
    """

    service_name: str
    version: str
    instance_id: str
    stated: bool = False

    @classmethod
    def of(cls, service_name: str, version: str, port_offset: int = 0) -> "Identity":
        """The identity of a service on this host: its name, with ``:offset`` where there is one."""
        host = socket.gethostname()
        return cls(service_name, version, f"{host}:{port_offset}" if port_offset else host)

    def resource(self) -> Resource:
        """The resource, in which ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win."""
        ours = {SERVICE_NAME: self.service_name, SERVICE_INSTANCE_ID: self.instance_id}
        if self.version:
            ours[SERVICE_VERSION] = self.version
        resource = {**ours, **OTELResourceDetector().detect().attributes}
        if self.stated:
            resource[SERVICE_NAME] = self.service_name
        return Resource.create(resource)


@dataclass(frozen=True, slots=True)
class Push:
    """Where metrics are pushed, and how often.

    Attributes:
        endpoint: base URL of an OTLP/HTTP receiver; ``/v1/metrics`` is appended.
        interval_seconds: between two collections.
        timeout_seconds: bound on one attempt to deliver.
        prepare: changes each collection before it is pushed.
    """

    endpoint: str
    interval_seconds: float
    timeout_seconds: float = TIMEOUT_SECONDS
    prepare: Prepare | None = None


class Pushing(Protocol):
    """Something that knows what became of its pushes."""

    def health(self) -> PushHealth:
        """What became of the batches so far."""
        ...


class Telemetry:
    """A provider with its readers. Ends within a bound, whatever the receiver does.

    Args:
        identity: who the service is.
        push: where to push; None pushes nowhere.
        scrape: a reader to add for ``/metrics``.
        readers: further readers, for tests.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        push: Push | None = None,
        scrape: ScrapeReader | None = None,
        readers: Sequence[MetricReader] = (),
    ) -> None:
        self.scrape = scrape
        self.push = _exporter(push) if push and _push_allowed(os.environ) else None
        all_readers = [*readers]
        if self.push and push:
            all_readers.append(
                PeriodicExportingMetricReader(
                    self.push,
                    export_interval_millis=push.interval_seconds * 1000,
                    **cardinality_limits(PeriodicExportingMetricReader),
                )
            )
        if scrape:
            all_readers.append(scrape.reader)
        self.provider = MeterProvider(all_readers, identity.resource(), shutdown_on_exit=False)
        self._ended = False
        if self.push:
            observe_push(self.provider, self.push)

    def flush(self, seconds: float = SHUTDOWN_SECONDS) -> bool:
        """Collect and deliver now; False when that took longer or failed."""
        done: list[bool] = []
        _bounded(lambda: done.append(self.provider.force_flush(seconds * 1000)), seconds)
        return bool(done) and (self.push is None or not self.push.health().queued)

    def shutdown(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Collect and deliver once more, and stop; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        _bounded(lambda: self.provider.shutdown(seconds * 1000), seconds)


def _exporter(push: Push) -> QueueingExporter:
    return QueueingExporter(
        OtlpHttp(metrics_url(push.endpoint), push.timeout_seconds),
        max_batches=max(1, round(QUEUE_SECONDS / push.interval_seconds)),
        retry_seconds=min(1.0, push.interval_seconds),
        prepare=push.prepare,
    )


def _push_allowed(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not disabled and environ.get("OTEL_METRICS_EXPORTER", "").strip().lower() != "none"


def _bounded(work: Callable[[], object], seconds: float) -> None:
    """Run in a daemon thread: a signal handler may hold a lock that a collection needs."""
    thread = threading.Thread(target=work, name="wiltonos-telemetry-end", daemon=True)
    thread.start()
    thread.join(seconds)


def observe_push(provider: metrics.MeterProvider, push: Pushing) -> None:
    """Let the service itself report its gaps, as soon as the receiver is back."""

    def failed(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(push.health().failed_attempts)

    def lost(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(push.health().lost)

    meter = provider.get_meter(METER)
    meter.create_observable_counter(
        "wiltonos.telemetry.failed_exports",
        [failed],
        "{export}",
        "Attempts to push metrics that failed, including those made good later.",
    )
    meter.create_observable_counter(
        "wiltonos.telemetry.lost_exports",
        [lost],
        "{export}",
        "Collections that were never delivered: a gap in every series of this service.",
    )
