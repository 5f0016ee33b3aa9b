"""The MeterProvider of a service of ours: who it is, where it pushes, and its bounded end."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Protocol

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)

from wiltonos_service.errors import SettingsError
from wiltonos_service.forks import in_child
from wiltonos_service.telemetry.bounded import bounded
from wiltonos_service.telemetry.certificates import check_files
from wiltonos_service.telemetry.encoding import MetricsEncoder
from wiltonos_service.telemetry.exposition import ScrapeReader
from wiltonos_service.telemetry.garbage import paused
from wiltonos_service.telemetry.limits import cardinality_limits
from wiltonos_service.telemetry.otlp import Encoding, OtlpHttp
from wiltonos_service.telemetry.producer import MetricProducer, Producers
from wiltonos_service.telemetry.protocol import GRPC, HTTP, OTLP, protocol_of
from wiltonos_service.telemetry.push import Prepare, PushHealth, Queue, QueueingExporter
from wiltonos_service.telemetry.standard import (
    CONSOLE,
    Exporters,
    check_endpoint,
    metrics_exporters,
    metrics_url,
    preferred_aggregation,
    timeout_of,
)
from wiltonos_service.telemetry.ticker import Ticker
from wiltonos_service.telemetry.transport import Sender

log = logging.getLogger(__name__)

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
        stated: keys of the resource that the user gave; these win over ``OTEL_*`` variables.
    """

    service_name: str
    version: str
    instance_id: str
    stated: frozenset[str] = frozenset()

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
        stated = {key: value for key, value in ours.items() if key in self.stated}
        return Resource.create({**ours, **OTELResourceDetector().detect().attributes, **stated})


@dataclass(frozen=True, slots=True)
class Push:
    """Where metrics are pushed, and how often.

    Attributes:
        endpoint: base URL of an OTLP receiver; for HTTP ``/v1/metrics`` is appended, unless it is
            the one that ``OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`` names.
        interval_seconds: between two collections.
        timeout_seconds: bound on one attempt to deliver, where ``OTEL_EXPORTER_OTLP_TIMEOUT`` is
            not set.
        prepare: changes each collection before it is pushed.
        protocol: ``http/protobuf`` or ``grpc``; None takes ``OTEL_EXPORTER_OTLP_PROTOCOL``, and
            HTTP where that is not set.
        pause_garbage: collect no garbage during a collection of metrics (see ``garbage.paused``);
            for a process whose callbacks are all its own, since one that hung would keep it off.
    """

    endpoint: str
    interval_seconds: float
    timeout_seconds: float = TIMEOUT_SECONDS
    prepare: Prepare | None = None
    protocol: str | None = None
    pause_garbage: bool = False


class Pushing(Protocol):
    """Something that knows what became of its pushes."""

    def health(self) -> PushHealth:
        """What became of the batches so far."""
        ...


class Telemetry:
    """A provider with its readers. Ends within a bound, whatever the receiver does.

    A child that is forked pushes by itself, as an instance of its own: the parent's with the
    number of the process behind it.

    Args:
        identity: who the service is.
        push: where to push; None, or one without an endpoint, pushes nowhere.
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
        exporters = metrics_exporters(os.environ)
        _say_unknown(exporters)
        pushes = push and push.endpoint and OTLP in exporters.chosen
        self.push: Queue[MetricsData] | None = _queue(push) if push and pushes else None
        # of a child, which is another one than the resource names
        self._instance = ""
        self._producers = Producers()
        self._ticker: Ticker | None = None
        ticking = list(self._ticking(push, exporters)) if push else []
        all_readers = [*readers, *ticking]
        if scrape:
            all_readers.append(scrape.reader)
        resource = identity.resource()
        self.provider = MeterProvider(all_readers, resource, shutdown_on_exit=False)
        self._ended = False
        self._parent = str(resource.attributes[SERVICE_INSTANCE_ID])
        in_child(self._become_another)
        if self.push:
            observe_push(self.provider, self.push)
        if ticking and push:
            collect = _one_after_the_other([reader.collect for reader in ticking])
            collect = _without_garbage(collect) if push.pause_garbage else collect
            self._ticker = Ticker(collect, push.interval_seconds)

    def _ticking(self, push: Push, exporters: Exporters) -> Iterator[PeriodicExportingMetricReader]:
        """The readers that export at each interval."""
        prepare = self._prepare(push.prepare)
        if self.push:
            aggregation = preferred_aggregation(os.environ)
            yield _never_by_itself(QueueingExporter(self.push, prepare, aggregation))
        if CONSOLE in exporters.chosen:
            text = ConsoleMetricExporter(sys.stdout, lambda data: f"{prepare(data).to_json()}\n")
            yield _never_by_itself(text)

    def register_producer(self, producer: MetricProducer) -> None:
        """Push what it produces as well; a reader for ``/metrics`` has producers of its own."""
        self._producers.register(producer)

    def flush(self, seconds: float = SHUTDOWN_SECONDS) -> bool:
        """Collect and deliver now; False when that took longer or failed."""
        if self._ticker is None:
            return True
        done: list[bool] = []

        def deliver() -> None:
            lost = self._lost()
            self._collect()
            delivered = self.push is None or self.push.flush(seconds)
            done.append(delivered and self._lost() == lost)

        bounded(deliver, seconds)
        return done == [True]

    def shutdown(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Collect and deliver once more, and stop; a second call does nothing."""
        if self._ended:
            return
        self._ended = True

        def end() -> None:
            self._collect()
            self.provider.shutdown(seconds * 1000)

        if self._ticker:
            self._ticker.end(end, seconds)
        else:
            bounded(end, seconds)

    def _lost(self) -> int:
        return self.push.health().lost if self.push else 0

    def _collect(self) -> None:
        if self._ticker:
            self._ticker.collect()

    def _prepare(self, prepare: Prepare | None) -> Prepare:
        def prepared(data: MetricsData) -> MetricsData:
            data = self._producers.complete(data)
            data = prepare(data) if prepare else data
            return _as_instance(data, self._instance) if self._instance else data

        return prepared

    def _become_another(self) -> None:
        self._instance = f"{self._parent}-{os.getpid()}"


def _as_instance(data: MetricsData, instance: str) -> MetricsData:
    """A collection under another instance.

    The SDK (from 1.43 on) gives every child a random one, and before it the parent's.
    """
    return replace(
        data,
        resource_metrics=[
            replace(part, resource=part.resource.merge(Resource({SERVICE_INSTANCE_ID: instance})))
            for part in data.resource_metrics
        ],
    )


def _never_by_itself(exporter: MetricExporter) -> PeriodicExportingMetricReader:
    """A reader that collects when it is told to.

    The SDK's thread ends at a CancelledError, and its locks do not outlive a fork.
    """
    limits = cardinality_limits(PeriodicExportingMetricReader)
    return PeriodicExportingMetricReader(exporter, export_interval_millis=inf, **limits)


def _one_after_the_other(works: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def all_of_them() -> None:
        for work in works:
            work()

    return all_of_them


def _say_unknown(exporters: Exporters) -> None:
    if exporters.unknown:
        log.warning(
            "OTEL_METRICS_EXPORTER: %s passed over, metrics go to %s; "
            "known are otlp, console, prometheus, and none by itself",
            ", ".join(map(repr, exporters.unknown)),
            ", ".join(sorted(exporters.chosen)),
        )


def _without_garbage(collect: Callable[[], None]) -> Callable[[], None]:
    def collect_calmly() -> None:
        with paused():
            collect()

    return collect_calmly


def _queue(push: Push) -> Queue[MetricsData]:
    return Queue(
        _sender(push),
        max_batches=max(1, round(QUEUE_SECONDS / push.interval_seconds)),
        retry_seconds=min(1.0, push.interval_seconds),
    )


def _sender(push: Push) -> Sender[MetricsData]:
    protocol = push.protocol or protocol_of(os.environ)
    check_endpoint(push.endpoint, protocol)
    files = check_files(os.environ, "METRICS")
    seconds = timeout_of(os.environ, "METRICS", push.timeout_seconds)
    if protocol == HTTP:
        url = metrics_url(push.endpoint, os.environ)
        encoding = Encoding(MetricsData([]), MetricsEncoder().encode)
        return OtlpHttp(OTLPMetricExporter, url, seconds, files.get("CERTIFICATE"), encoding)
    grpc = grpc_transport(protocol)
    sender: Sender[MetricsData] = grpc.OtlpGrpc(grpc.metrics_service(), push.endpoint, seconds)
    return sender


def grpc_transport(protocol: str) -> Any:
    """The module that speaks gRPC.

    Raises:
        SettingsError: that is not the protocol asked for, or the extra is not installed.
    """
    if protocol != GRPC:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r}: state {HTTP!r} or {GRPC!r}")
    try:
        from wiltonos_service.telemetry import otlp_grpc  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'{error.name} is not installed; run: pip install "wiltonos-otel[grpc]"'
        ) from None
    return otlp_grpc


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
