"""The loops as finished metrics, for a provider of our own; needs the SDK."""

import threading

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.util.types import Attributes

from wiltonos_otel.instruments.catalogue import (
    COLLAPSES,
    LOOP_COHERENCE,
    LOOP_PRESSURE,
    Instrument,
)
from wiltonos_otel.instruments.coherence import CoherenceInstruments, loop_attributes

NS_PER_MS = 1_000_000
_UNKNOWN_START = 0

# attributes, and the Unix time in nanoseconds at which the count was first seen
_Series = tuple[Attributes, int]
_Points = list[NumberDataPoint]


class LoopProducer:
    """What ``CoherenceInstruments`` observes of the loops, without a measurement for each series.

    A loop is three series, and there may be ten thousand. No view applies to what is produced, so
    that this is for a provider that has none. What is the same from one collection to the next,
    the attributes of a series, is the same object, as the SDK has it.

    Args:
        instruments: made with ``observe_loops=False``; knows the signals.
        scope: of the meter that they were made with.
    """

    def __init__(self, instruments: CoherenceInstruments, scope: InstrumentationScope) -> None:
        self.scope = scope
        self._instruments = instruments
        self._known: dict[tuple[str, str], _Series] = {}
        self._lock = threading.Lock()

    def produce(self) -> list[Metric]:
        """The metrics of the loops; one without series is left out."""
        with self._lock:
            coherence, pressure, collapses = self._points()
        total = Sum(collapses, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        rows = (
            (LOOP_COHERENCE, Gauge(coherence)),
            (LOOP_PRESSURE, Gauge(pressure)),
            (COLLAPSES, total),
        )
        return [_metric(row, data) for row, data in rows if data.data_points]

    def _points(self) -> tuple[_Points, _Points, _Points]:
        coherence: _Points = []
        pressure: _Points = []
        collapses: _Points = []
        known: dict[tuple[str, str], _Series] = {}
        for snapshot, labels in self._instruments.snapshots("produced"):
            now, source = snapshot.now_ms * NS_PER_MS, labels.get("source", "")
            for name, loop in snapshot.loops.items():
                key = source, name
                series = self._known.get(key) or (loop_attributes(name, labels), now)
                known[key] = series
                attributes, start = series
                if loop.phi is not None:
                    coherence.append(_point(attributes, _UNKNOWN_START, now, loop.phi))
                if loop.pressure is not None:
                    pressure.append(_point(attributes, _UNKNOWN_START, now, loop.pressure))
                collapses.append(_point(attributes, start, now, loop.collapses))
        self._known = known
        return coherence, pressure, collapses


def _point(attributes: Attributes, start: int, now: int, value: float) -> NumberDataPoint:
    return NumberDataPoint(attributes, start, now, value, ())


def _metric(row: Instrument, data: Gauge | Sum) -> Metric:
    return Metric(row.name, row.description, row.unit, data)
