"""Counters, gauges and histograms with attributes bound once: cheap to call, read at collection.

What a call means is what it means to the SDK's own instruments (opentelemetry-sdk 1.45,
``opentelemetry.sdk.metrics``): tests compare both point by point.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from math import inf
from sys import float_info
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.util.types import AttributeValue

from wiltonos_otel.instruments.handles import OVERFLOW
from wiltonos_service.forks import in_child

log = logging.getLogger(__name__)

# of the SDK, per instrument (1.45, _DEFAULT_CARDINALITY_LIMIT)
MAX_SERIES = 2000
# values of a histogram that wait; who brings one more records all of them
MAX_PENDING = 4096
# beyond it an int is no double, and the SDK gives up the whole instrument that it meets one in
_MOST = float_info.max

Attributes = Mapping[str, AttributeValue]
Number = int | float


class CounterHandle:
    """One series of a counter. Made by ``Bound.bind``."""

    __slots__ = ("_lock", "_refuse", "_total", "attributes")

    def __init__(self, attributes: Attributes, refuse: Callable[[Number], None]) -> None:
        self.attributes = attributes
        self._refuse = refuse
        self._total: Number | None = None
        self.begin_anew()

    def add(self, amount: Number = 1) -> None:
        """Add a finite amount of at least 0; 0 makes the series known before its first event."""
        if not 0 <= amount <= _MOST:
            self._refuse(amount)
            return
        with self._lock:
            total = self._total
            self._total = (0 if total is None else total) + amount

    def begin_anew(self) -> None:
        """Count from nothing, in a child process."""
        self._lock = threading.Lock()
        self._total = None

    def read(self) -> Number | None:
        """The total, or None before the first amount."""
        return self._total


class GaugeHandle:
    """One series of a gauge. Made by ``Bound.bind``."""

    __slots__ = ("_now", "_refuse", "_set", "_stale_after", "attributes")

    def __init__(
        self, attributes: Attributes, refuse: Callable[[Number], None], stale_after_seconds: float
    ) -> None:
        self.attributes = attributes
        self._refuse = refuse
        self._stale_after = stale_after_seconds
        self._set: tuple[Number, float] | None = None

    def set(self, value: Number) -> None:
        """Set a finite value."""
        if -_MOST <= value <= _MOST:
            self._set = (value, monotonic())
        else:
            self._refuse(value)

    def remove(self) -> None:
        """End the series, until it is set again."""
        self._set = None

    def begin_anew(self) -> None:
        """Have no value, in a child process."""
        self._set = None

    def read(self) -> Number | None:
        """The value, or None where there is none or it is too old."""
        now = self._set
        if now is None or monotonic() - now[1] >= self._stale_after:
            return None
        return now[0]


class HistogramHandle:
    """One series of a histogram. Made by ``Bound.bind``.

    The SDK's histogram records the values when somebody collects, so that views, buckets and
    exponential scales are its own; what it costs is moved, not saved.
    """

    __slots__ = ("_histogram", "_pending", "_refuse", "attributes")

    def __init__(
        self, attributes: Attributes, refuse: Callable[[Number], None], histogram: Histogram
    ) -> None:
        self.attributes = attributes
        self._refuse = refuse
        self._histogram = histogram
        self.begin_anew()

    def record(self, value: Number) -> None:
        """Record a finite value of at least 0."""
        if not 0 <= value <= _MOST:
            self._refuse(value)
            return
        pending = self._pending
        pending.append(value)
        if len(pending) > MAX_PENDING:
            self.drain()

    def begin_anew(self) -> None:
        """Have nothing that waits, in a child process."""
        self._pending: deque[Number] = deque()

    def drain(self) -> None:
        """Hand over what waits."""
        pending, record, attributes = self._pending, self._histogram.record, self.attributes
        for _ in range(len(pending)):
            try:
                value = pending.popleft()
            except IndexError:
                # another thread drains as well
                return
            record(value, attributes)


class Series(Protocol):
    """What every handle can do."""

    def begin_anew(self) -> None:
        """Leave what belongs to the parent process."""
        ...


Handle = TypeVar("Handle", bound=Series)
_Key = tuple[tuple[object, ...], ...]


class Bound(Generic[Handle]):
    """The series of one instrument.

    Args:
        name: of the instrument, for people.
        make: makes the handle of a series, given its attributes and what refuses a value.
        max_series: beyond it all series are one, with the attribute ``otel.metric.overflow``.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Attributes, Callable[[Number], None]], Handle],
        max_series: int,
    ) -> None:
        self._name = name
        self._make = make
        self._max_series = max_series
        self._handles: dict[_Key, Handle] = {}
        self._overflow: Handle | None = None
        self._lock = threading.Lock()
        self._refused = False
        in_child(self.begin_anew)

    def bind(self, attributes: Attributes | None = None) -> Handle:
        """The handle of a series; the same one for the same attributes. Keep it."""
        attributes = {name: _frozen(value) for name, value in (attributes or {}).items()}
        key = tuple((name, *_told_apart(attributes[name])) for name in sorted(attributes))
        with self._lock:
            handle = self._handles.get(key)
            if handle is None and len(self._handles) < self._max_series:
                handle = self._handles[key] = self._make(attributes, self._refuse)
            return handle or self._overflowing()

    def handles(self) -> list[Handle]:
        """All series."""
        with self._lock:
            handles = list(self._handles.values())
            return [*handles, self._overflow] if self._overflow else handles

    def begin_anew(self) -> None:
        """A child process has locks and values of its own."""
        self._lock = threading.Lock()
        for handle in self.handles():
            handle.begin_anew()

    def _overflowing(self) -> Handle:
        if self._overflow is None:
            log.warning(
                "%s has more than %d series: the others become one", self._name, self._max_series
            )
            self._overflow = self._make({OVERFLOW: True}, self._refuse)
        return self._overflow

    def _refuse(self, value: Number) -> None:
        if not self._refused:
            self._refused = True
            log.warning("%s: %r is dropped, and so is what else it cannot take", self._name, value)


def _frozen(value: AttributeValue) -> AttributeValue:
    """The value, of which a list stays what it is now and can be looked up."""
    return tuple(value) if isinstance(value, list) else value


def _told_apart(value: AttributeValue) -> tuple[object, ...]:
    """The value with its types: 1, 1.0 and True are one key of a dict, and three attributes."""
    types = tuple(map(type, value)) if isinstance(value, tuple) else type(value)
    return types, value


# of two equal instruments the SDK drops the callbacks of the second, and says nothing
_Made = dict[tuple[str, ...], Any]
_made: "WeakKeyDictionary[Meter, _Made]" = WeakKeyDictionary()
_made_before_a_provider: dict[tuple[str, str | None, str | None], _Made] = {}


def _made_on(meter: Meter) -> _Made:
    """What was made on a meter; those of the API stand for one of the provider that will come."""
    if type(meter).__module__.startswith("opentelemetry.metrics"):
        key = meter.name, meter.version, meter.schema_url
        return _made_before_a_provider.setdefault(key, {})
    return _made.setdefault(meter, {})


class Handles:
    """Makes instruments whose series are handles.

    Safe in threads and coroutines. An instrument that is asked for again, by whomever, is the same
    one, as it was made first. A child process counts from nothing. What is read at collection knows
    no trace: who wants exemplars takes the SDK's own instruments.

    Args:
        meter: where the instruments are made.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._made = _made_on(meter)

    def counter(
        self, name: str, unit: str = "", description: str = "", *, max_series: int = MAX_SERIES
    ) -> Bound[CounterHandle]:
        """A total that never falls."""
        bound: Bound[CounterHandle] = Bound(name, CounterHandle, max_series)
        first = self._first(bound, "counter", name, unit, description)
        if first is bound:
            self._meter.create_observable_counter(name, [_reading(bound)], unit, description)
        return first

    def gauge(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        stale_after_seconds: float = inf,
        max_series: int = MAX_SERIES,
    ) -> Bound[GaugeHandle]:
        """A value that holds until it is set again, removed or stale."""

        def make(attributes: Attributes, refuse: Callable[[Number], None]) -> GaugeHandle:
            return GaugeHandle(attributes, refuse, stale_after_seconds)

        bound: Bound[GaugeHandle] = Bound(name, make, max_series)
        first = self._first(bound, "gauge", name, unit, description)
        if first is bound:
            self._meter.create_observable_gauge(name, [_reading(bound)], unit, description)
        return first

    def histogram(
        self, name: str, unit: str = "", description: str = "", *, max_series: int = MAX_SERIES
    ) -> Bound[HistogramHandle]:
        """A distribution, in the buckets that the provider's views choose."""
        histogram = self._meter.create_histogram(name, unit, description)

        def make(attributes: Attributes, refuse: Callable[[Number], None]) -> HistogramHandle:
            return HistogramHandle(attributes, refuse, histogram)

        bound: Bound[HistogramHandle] = Bound(name, make, max_series)
        first = self._first(bound, "histogram", name, unit, description)
        if first is not bound:
            return first

        def drain(_options: CallbackOptions) -> Iterator[Observation]:
            for handle in bound.handles():
                handle.drain()
            yield from ()

        # says nothing, and so is nowhere: the API has no other word for the time of collection;
        # a name that no view is meant for which speaks of the histogram, as http.* would
        self._meter.create_observable_gauge(f"wiltonos.pending.{name}", [drain])
        return bound

    def _first(self, bound: Bound[Handle], kind: str, name: str, *more: str) -> Bound[Handle]:
        """The one that was made first of what the SDK takes for the same instrument."""
        first: Bound[Handle] = self._made.setdefault((kind, name.strip().lower(), *more), bound)
        return first


def _reading(
    bound: Bound[CounterHandle] | Bound[GaugeHandle],
) -> Callable[[CallbackOptions], Iterator[Observation]]:
    def read(_options: CallbackOptions) -> Iterator[Observation]:
        for handle in bound.handles():
            value = handle.read()
            if value is not None:
                yield Observation(value, handle.attributes)

    return read
