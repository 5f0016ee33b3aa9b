"""One metric of one scope: remembers the text of its series, so that a scrape only adds numbers."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Generic, TypeVar

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

from wiltonos_otel.scrape import histogram
from wiltonos_otel.scrape.exemplar import exemplified, newest
from wiltonos_otel.scrape.names import TOTAL
from wiltonos_otel.scrape.text import Attributes, Labels, labels_of, number, pairs

# series whose text is joined and encoded at once: no call holds other threads up for long
CHUNK = 500
# series that may be gone and still remembered
SLACK = 64

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint
P = TypeVar("P", bound=Point)
S = TypeVar("S")


class Kind(Enum):
    """The types of the text formats that OpenTelemetry metrics become."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Stream(Generic[P, S]):
    """The series of one metric of one scope.

    The SDK hands out the same attributes object at every collection, so that the text of a
    series is made once and found again by identity; the object is kept, or its identity could
    become that of another.

    Args:
        name: name of the family, see ``names.family_name``.
        common: labels that every series has, such as those of the scope.
    """

    kind: Kind
    reserved: tuple[str, ...] = ()

    def __init__(self, name: str, common: Attributes) -> None:
        self.name = name
        self._common = common
        self._forget()

    def _forget(self) -> None:
        # no object per series that the garbage collector would have to visit
        self._attributes: dict[int, Attributes] = {}
        self._layout: dict[int, tuple[str, ...]] = {}
        self._stems: dict[int, S] = {}
        self._distinct: set[S] = set()
        self._layouts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._padded: dict[int, S] = {}
        self._padded_to: tuple[str, ...] = ()

    @property
    def uneven(self) -> bool:
        """Whether series differ in their label names, or two have become the same text."""
        return len(self._layouts) > 1 or len(self._distinct) < len(self._stems)

    def stems(self, points: Sequence[P]) -> list[S]:
        """The text of each series without its numbers."""
        stems = self._stems
        try:
            found = [stems[id(point.attributes)] for point in points]
        except KeyError:
            self._learn(points)
            found = [stems[id(point.attributes)] for point in points]
        if len(stems) > 2 * len(points) + SLACK:
            self._forget()
            self._learn(points)
        return found

    def label_names(self, points: Iterable[P]) -> set[str]:
        """Every label name of these series, which must be known."""
        layouts = {self._layout[id(point.attributes)] for point in points}
        return {name for layout in layouts for name in layout}

    def padded(self, points: Sequence[P], names: tuple[str, ...]) -> list[S]:
        """The text of each series with exactly these labels, absent ones empty."""
        if names != self._padded_to:
            self._padded, self._padded_to = {}, names
        padded = self._padded
        for point in points:
            key = id(point.attributes)
            if key not in padded:
                padded[key] = self._stem(self._labels(point.attributes), names)
        return [padded[id(point.attributes)] for point in points]

    def lines(self, stems: Sequence[S], points: Sequence[P], *, exemplars: bool) -> Iterator[str]:
        """The lines of these series, a few at a time."""
        for start in range(0, len(points), CHUNK):
            end = start + CHUNK
            yield "".join(self._format(stems[start:end], points[start:end], exemplars=exemplars))

    def _learn(self, points: Iterable[P]) -> None:
        for point in points:
            key = id(point.attributes)
            if key not in self._attributes:
                labels = self._labels(point.attributes)
                names = tuple(labels)
                self._layout[key] = names = self._layouts.setdefault(names, names)
                self._attributes[key] = point.attributes
                self._stems[key] = stem = self._stem(labels, names)
                self._distinct.add(stem)

    def _labels(self, attributes: Attributes) -> Labels:
        return labels_of(self._common, attributes, reserved=self.reserved)

    def _stem(self, labels: Labels, names: tuple[str, ...]) -> S:
        raise NotImplementedError

    def _format(self, stems: Sequence[S], points: Sequence[P], *, exemplars: bool) -> list[str]:
        raise NotImplementedError


class NumberStream(Stream[NumberDataPoint, str]):
    """A counter or a gauge."""

    suffix = ""

    def _stem(self, labels: Labels, names: tuple[str, ...]) -> str:
        name = f"{self.name}{self.suffix}"
        return f"{name}{{{pairs(labels, names)}}} " if names else f"{name} "

    def _format(
        self, stems: Sequence[str], points: Sequence[NumberDataPoint], *, exemplars: bool
    ) -> list[str]:
        del exemplars
        return [f"{stem}{number(point.value)}\n" for stem, point in zip(stems, points, strict=True)]


class GaugeStream(NumberStream):
    """A gauge, or a sum that may fall."""

    kind = Kind.GAUGE


class CounterStream(NumberStream):
    """A sum that only rises."""

    kind = Kind.COUNTER
    suffix = TOTAL

    def _format(
        self, stems: Sequence[str], points: Sequence[NumberDataPoint], *, exemplars: bool
    ) -> list[str]:
        if not exemplars:
            return super()._format(stems, points, exemplars=False)
        return [
            f"{stem}{number(point.value)}{newest(point.exemplars)}\n"
            for stem, point in zip(stems, points, strict=True)
        ]


class HistogramStream(Stream[HistogramDataPoint | ExponentialHistogramDataPoint, histogram.Stem]):
    """A histogram with explicit or exponential buckets."""

    kind = Kind.HISTOGRAM
    reserved = ("le",)

    def _stem(self, labels: Labels, names: tuple[str, ...]) -> histogram.Stem:
        at = bisect_left(names, "le")
        before, after = pairs(labels, names[:at]), pairs(labels, names[at:])
        return histogram.stem(self.name, before, after, pairs(labels, names))

    def _format(
        self,
        stems: Sequence[histogram.Stem],
        points: Sequence[HistogramDataPoint | ExponentialHistogramDataPoint],
        *,
        exemplars: bool,
    ) -> list[str]:
        return [
            histogram.lines(stem, point, exemplified(point.exemplars) if exemplars else ())
            for stem, point in zip(stems, points, strict=True)
        ]
