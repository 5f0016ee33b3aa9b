"""The instruments of the Φ signal, on ``opentelemetry-api`` alone."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator

from opentelemetry.metrics import Meter, Observation
from opentelemetry.util.types import Attributes

from wiltonos_otel.instruments.catalogue import (
    COHERENCE_DERIVATIVE,
    COHERENCE_RATIO,
    COLLAPSES,
    LOOP_COHERENCE,
    LOOP_PRESSURE,
    SOFT_STEER_LIMIT,
    SOURCE_ERRORS,
    SOURCE_LAST_SAMPLE,
    SUSTAINED_GOOD,
)
from wiltonos_otel.instruments.handles import OVERFLOW
from wiltonos_otel.instruments.observe import PerCollection, observe
from wiltonos_otel.instruments.signal import Observed
from wiltonos_otel.phi import LoopSnapshot, Snapshot
from wiltonos_otel.policy import Policy

METER = "wiltonos_otel"


class CoherenceInstruments:
    """Every instrument of Φ, fed from the signals that are attached.

    What is stale or unknown yields nothing: gone means gone. Made once per provider, because an
    SDK silently drops the callbacks of a second instrument of the same name.

    Args:
        meter: where the instruments are made.
        policy: its thresholds are exported as ``wiltonos.soft_steer.limit``.
        observe_loops: make the instruments of the loops; else a ``LoopProducer`` brings them.
    """

    def __init__(self, meter: Meter, policy: Policy, *, observe_loops: bool = True) -> None:
        self.policy = policy
        self._signals: dict[str, Observed] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self.begin_anew()
        self._now = PerCollection(self._take)
        observe(meter, COHERENCE_RATIO, self._ratio)
        observe(meter, COHERENCE_DERIVATIVE, self._derivatives)
        if observe_loops:
            observe(meter, LOOP_COHERENCE, self._loop_coherence)
            observe(meter, LOOP_PRESSURE, self._loop_pressure)
            observe(meter, COLLAPSES, self._collapses)
        observe(meter, SUSTAINED_GOOD, self._sustained_good)
        observe(meter, SOFT_STEER_LIMIT, self._limits)
        observe(meter, SOURCE_LAST_SAMPLE, self._last_samples)
        # last, so that what a collection refuses is in it
        observe(meter, SOURCE_ERRORS, self._refusals)

    def begin_anew(self) -> None:
        """Count from zero: a child process has streams, and locks, of its own."""
        self._counting = threading.Lock()
        self._errors: Counter[tuple[str, str]] = Counter()

    def attach(
        self, signal: Observed, reasons: Iterable[str] = (), *, labelled: bool = False
    ) -> None:
        """Export a signal from now on; one of the same source gives way.

        Args:
            signal: what to export.
            reasons: why its samples may be refused; each is announced with 0, so that
                ``increase()`` sees the first.
            labelled: its series carry the attribute ``source``, because there are others.
        """
        self._labels[signal.source] = {"source": signal.source} if labelled else {}
        self._signals = {**self._signals, signal.source: signal}
        for reason in reasons:
            self.refused(signal.source, reason, 0)

    def detach(self, source: str) -> None:
        """Export a signal no longer: its series end."""
        self._signals = {name: x for name, x in self._signals.items() if name != source}

    def refused(self, source: str, reason: str, count: int = 1) -> None:
        """Count samples of a source that were refused."""
        with self._counting:
            self._errors[source, reason] += count

    def snapshots(self, reader: str) -> Iterator[tuple[Snapshot, dict[str, str]]]:
        """What is known of each signal now, with the labels of its series.

        Args:
            reader: names who asks, once per collection; all who ask in one see the same.
        """
        for source, snapshot in self._now.value(reader).items():
            yield snapshot, self._labels[source]

    def _take(self) -> dict[str, Snapshot]:
        return {name: signal.snapshot() for name, signal in self._signals.items()}

    def _loops(self, reader: str) -> Iterator[tuple[LoopSnapshot, Attributes]]:
        for snapshot, labels in self.snapshots(reader):
            for name, loop in snapshot.loops.items():
                yield loop, loop_attributes(name, labels)

    def _ratio(self) -> Iterator[Observation]:
        for snapshot, labels in self.snapshots("ratio"):
            if snapshot.phi is not None:
                yield Observation(snapshot.phi, labels)

    def _derivatives(self) -> Iterator[Observation]:
        for snapshot, labels in self.snapshots("derivatives"):
            for window, slope in snapshot.derivatives.items():
                yield Observation(slope, {"window": f"{window}s", **labels})

    def _loop_coherence(self) -> Iterator[Observation]:
        for loop, attributes in self._loops("loop_coherence"):
            if loop.phi is not None:
                yield Observation(loop.phi, attributes)

    def _loop_pressure(self) -> Iterator[Observation]:
        for loop, attributes in self._loops("loop_pressure"):
            if loop.pressure is not None:
                yield Observation(loop.pressure, attributes)

    def _collapses(self) -> Iterator[Observation]:
        for loop, attributes in self._loops("collapses"):
            yield Observation(loop.collapses, attributes)

    def _sustained_good(self) -> Iterator[Observation]:
        for snapshot, labels in self.snapshots("sustained_good"):
            for window, share in snapshot.sustained_good.items():
                yield Observation(share, {"window": window, **labels})

    def _limits(self) -> Iterator[Observation]:
        for limit, value in self.policy.limits().items():
            yield Observation(value, {"limit": limit})

    def _last_samples(self) -> Iterator[Observation]:
        for source, snapshot in self._now.value("last_samples").items():
            if snapshot.time_ms is not None:
                yield Observation(snapshot.time_ms / 1000, {"source": source})

    def _refusals(self) -> Iterator[Observation]:
        with self._counting:
            errors = dict(self._errors)
        for (source, reason), count in errors.items():
            yield Observation(count, {"source": source, "reason": reason})


def loop_attributes(name: str, labels: dict[str, str]) -> Attributes:
    """The attributes of the series of a loop."""
    return {OVERFLOW: True, **labels} if name == OVERFLOW else {"loop": name, **labels}
