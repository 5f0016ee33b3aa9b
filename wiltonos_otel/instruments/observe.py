"""Binds rows of the catalogue to the OpenTelemetry API with callbacks that cannot hurt the SDK."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from wiltonos_otel.instruments.catalogue import Instrument, Kind

log = logging.getLogger(__name__)

Read = Callable[[], Iterable[Observation]]
T = TypeVar("T")


def observe(meter: Meter, row: Instrument, read: Read) -> None:
    """Create the observable instrument of a row; ``read`` is called once per collection.

    What it yields is what is exported: a series that is not yielded is gone. ``read`` must not
    do I/O, since a slow callback delays every reader of the provider.

    Raises:
        ValueError: the row is of a kind that is not observable.
    """
    callback = _Callback(row.name, read)
    if row.kind is Kind.OBSERVABLE_GAUGE:
        meter.create_observable_gauge(row.name, [callback], row.unit, row.description)
    elif row.kind in (Kind.OBSERVABLE_COUNTER, Kind.COUNTER):
        # the same sum in OTLP, whoever keeps the total
        meter.create_observable_counter(row.name, [callback], row.unit, row.description)
    else:
        raise ValueError(f"{row.name} is a {row.kind.value}, which is not observable")


class _Callback:
    """Yields nothing instead of raising, and says so once per change.

    An exception that is no ``Exception``, such as ``asyncio.CancelledError``, would end the
    SDK's export thread for good (opentelemetry-sdk 1.45, ``PeriodicExportingMetricReader``).
    """

    def __init__(self, name: str, read: Read) -> None:
        self._name = name
        self._read = read
        self._failing = ""

    def __call__(self, _options: CallbackOptions) -> list[Observation]:
        try:
            observations = list(self._read())
        except KeyboardInterrupt:
            # only the main thread gets one, and there it belongs to the user
            raise
        except BaseException as error:  # noqa: BLE001 - see the class
            self._say(f"{type(error).__name__}: {error}")
            return []
        self._say("")
        return observations

    def _say(self, failing: str) -> None:
        if failing != self._failing and failing:
            log.error("%s cannot be read: %s", self._name, failing)
        self._failing = failing


class PerCollection(Generic[T]):
    """One value shared by all callbacks of a collection.

    The API does not say where a collection begins. Each callback runs once in it, in one
    thread: a callback that comes again in its thread begins the next.

    Args:
        take: makes the value.
    """

    def __init__(self, take: Callable[[], T]) -> None:
        self._take = take
        self._local = threading.local()

    def value(self, reader: str) -> T:
        """The value for a callback, which names itself."""
        seen: set[str] | None = getattr(self._local, "seen", None)
        if seen is None or reader in seen:
            self._local.value = self._take()
            self._local.seen = seen = set()
        seen.add(reader)
        value: T = self._local.value
        return value
