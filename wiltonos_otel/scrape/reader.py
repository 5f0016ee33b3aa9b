"""The reader: collects, renders, and never lets two scrapes get into each other's way."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

from wiltonos_otel.scrape.family import Families, Style
from wiltonos_service.forks import Unforked, in_child
from wiltonos_service.telemetry.exposition import (
    PATIENCE_SECONDS,
    Exposition,
    ScrapeUnavailable,
    hanging,
)
from wiltonos_service.telemetry.formats import Format, negotiate
from wiltonos_service.telemetry.garbage import paused
from wiltonos_service.telemetry.limits import cardinality_limits
from wiltonos_service.telemetry.producer import MetricProducer, Producers

_Key = tuple[Format, frozenset[str]]


class FastMetricReader(MetricReader):
    """Renders the metrics of a provider as Prometheus or OpenMetrics text.

    Safe to call from many threads at once: scrapes that want the same share one collection,
    others wait for their turn, so that each gets every series exactly once. While a callback
    hangs, one scrape waits for it, and all others for ``PATIENCE_SECONDS``. A fork waits for a
    scrape that is under way: a child would inherit the locks of the SDK that the scrape holds.

    >>> reader = FastMetricReader()
    >>> provider = MeterProvider([reader])
    >>> reader.render("text/plain").body

    Args:
        prefix: goes before every name, with an underscore.
        scope_labels: label every series with its instrumentation scope. Series of two scopes
            with the same name and labels can only both be shown with it.
        resource_labels: which resource attributes become labels of every series.
        target_info: show the resource as ``target_info``.
        options: further arguments of the SDK's ``MetricReader``; without any, observable
            instruments may have ``limits.MAX_SERIES`` series each instead of the SDK's 2,000.

    Raises:
        ValueError: a temporality is among the options; the text formats know cumulative only.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        scope_labels: bool = False,
        resource_labels: Callable[[str], bool] | None = None,
        target_info: bool = True,
        **options: Any,
    ) -> None:
        if "preferred_temporality" in options:
            raise ValueError("preferred_temporality: the text formats are cumulative; leave it out")
        super().__init__(**(cardinality_limits(MetricReader) | options))
        self._families = Families(Style(prefix, scope_labels, resource_labels, target_info))
        self._producers = Producers()
        self._closed = False
        self._turn = Unforked()
        self._reset()
        in_child(self._reset)

    def _reset(self) -> None:
        """Forget who renders: after a fork nobody does."""
        self._changing = threading.Lock()
        self._under_way: dict[_Key, Future[Exposition]] = {}
        self._received = threading.local()

    @property
    def reader(self) -> MetricReader:
        """What the provider is given: this."""
        return self

    def register_producer(self, producer: MetricProducer) -> None:
        """Show what it produces as well, as the specification's ``MetricReader`` would."""
        self._producers.register(producer)

    def render(self, accept: str = "", names: Collection[str] = ()) -> Exposition:
        """All metrics, in the best format that an ``Accept`` header allows.

        Args:
            accept: the header.
            names: families or samples to show; empty shows all.

        Raises:
            ScrapeUnavailable: no provider has this reader yet, it was shut down, or the scrape
                before this one hangs.
        """
        key = negotiate(accept), frozenset(names)
        with self._changing:
            under_way = self._under_way.get(key)
            if under_way is None:
                mine = self._under_way[key] = Future[Exposition]()
        if under_way is not None:
            return _result_of(under_way)
        try:
            exposition = self._render_in_turn(*key)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(exposition)
            return exposition
        finally:
            with self._changing:
                self._under_way.pop(key, None)

    def _render_in_turn(self, format_: Format, names: frozenset[str]) -> Exposition:
        with ExitStack() as held:
            try:
                held.enter_context(self._turn.held(PATIENCE_SECONDS))
            except TimeoutError:
                raise hanging() from None
            with paused():
                body = self._render_text(names, openmetrics=format_.openmetrics)
        return Exposition(format_.content_type, body)

    def _render_text(self, names: frozenset[str], *, openmetrics: bool) -> bytes:
        """Collect and render; nothing of the collection is left when this returns."""
        texts = self._families.render(self._collect_now(), names, openmetrics=openmetrics)
        # a lone surrogate has no encoding, and one label must not cost the scrape
        return b"".join([text.encode("utf-8", "replace") for text in texts])

    def _collect_now(self) -> MetricsData:
        if self._closed:
            raise ScrapeUnavailable("the metrics were shut down")
        if self._collect is None:
            raise ScrapeUnavailable("no MeterProvider has this reader")
        self._received.data = None
        self.collect()
        data: MetricsData | None = self._received.data
        self._received.data = None
        return self._producers.complete(data or MetricsData(resource_metrics=[]))

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - rendering is not bounded
        **kwargs: Any,  # noqa: ARG002 - the base class passes more on some versions
    ) -> None:
        # per thread: a flush of somebody else must not become part of a scrape
        self._received.data = metrics_data

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        """Nothing to do: whoever wants metrics asks for them."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ARG002
        """Later scrapes are told that there is nothing any more."""
        self._closed = True


def _result_of(under_way: Future[Exposition]) -> Exposition:
    try:
        return under_way.result(PATIENCE_SECONDS)
    except TimeoutError:
        raise hanging() from None
