"""Histogram points, explicit and exponential, as the cumulative buckets of the text formats."""

from collections.abc import Sequence
from itertools import accumulate
from math import inf, ldexp

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from wiltonos_otel.scrape.text import bound, number

# what the lines of one series have in common: bucket head, bucket tail, count head, sum head
Stem = tuple[str, str, str, str]
# a measured value, and its exemplar as text
Exemplified = tuple[float, str]

_BOUND_TEXTS: dict[float, str] = {}
_BOUND_TEXTS_MAX = 4096


def stem(name: str, before_le: str, after_le: str, everything: str) -> Stem:
    """What the lines of one series have in common; ``le`` is sorted in among the labels.

    Args:
        name: the name of the family.
        before_le: the labels that sort before ``le``.
        after_le: the labels that sort after ``le``.
        everything: all labels but ``le``.
    """
    head = f'{name}_bucket{{{before_le}{"," if before_le else ""}le="'
    tail = f'"{"," if after_le else ""}{after_le}}} '
    braced = f"{{{everything}}}" if everything else ""
    return head, tail, f"{name}_count{braced} ", f"{name}_sum{braced} "


def lines(
    stem_: Stem,
    point: HistogramDataPoint | ExponentialHistogramDataPoint,
    exemplars: Sequence[Exemplified] = (),
) -> str:
    """The lines of one series.

    Count and sum are left out where a bound is negative, as OpenMetrics 1.0 and
    ``prometheus_client`` have it: a sum that can fall is no counter.

    Args:
        stem_: see ``stem``.
        point: the data point.
        exemplars: those to show, if the format has them; the last one of a bucket counts.
    """
    bounds, counts = buckets(point)
    head, tail, count_head, sum_head = stem_
    texts = _by_bucket(bounds, exemplars) if exemplars else {}
    out = [
        f"{head}{_bound_text(upper)}{tail}{number(count)}{texts.get(index, '')}\n"
        for index, (upper, count) in enumerate(zip(bounds, counts, strict=True))
    ]
    if bounds[0] >= 0:
        out.append(f"{count_head}{number(counts[-1])}\n{sum_head}{number(point.sum)}\n")
    return "".join(out)


def buckets(
    point: HistogramDataPoint | ExponentialHistogramDataPoint,
) -> tuple[Sequence[float], list[int]]:
    """Upper bounds, the last one infinite, and the cumulative counts up to each."""
    if isinstance(point, ExponentialHistogramDataPoint):
        return _exponential(point)
    bounds, counts = [*point.explicit_bounds], [*accumulate(point.bucket_counts)]
    if bounds and bounds[-1] == inf:
        # the user named the last bucket, which is there anyway
        return bounds, [*counts[:-2], counts[-1]]
    return [*bounds, inf], counts


def _exponential(point: ExponentialHistogramDataPoint) -> tuple[list[float], list[int]]:
    """Buckets that end at powers of two, whatever the scale.

    A bucket of scale 0 is a whole number of buckets of any finer scale, so that the label ``le``
    stays the same while the SDK coarsens the scale to fit new values; at scales below 0 each
    bucket is as wide as the SDK's.
    """
    scale = min(point.scale, 0)
    shift = point.scale - scale
    by_bound: dict[float, int] = {}
    for offset, count in enumerate(point.negative.bucket_counts):
        index = (point.negative.offset + offset) >> shift
        _add(by_bound, -_power(index, scale), count)
    _add(by_bound, 0.0, point.zero_count)
    for offset, count in enumerate(point.positive.bucket_counts):
        index = (point.positive.offset + offset) >> shift
        _add(by_bound, _power(index + 1, scale), count)
    by_bound.setdefault(inf, 0)
    bounds = sorted(by_bound)
    return bounds, [*accumulate(by_bound[upper] for upper in bounds)]


def _add(by_bound: dict[float, int], upper: float, count: int) -> None:
    if count:
        by_bound[upper] = by_bound.get(upper, 0) + count


def _power(index: int, scale: int) -> float:
    """base^index for base = 2^(2^-scale), scale ≤ 0; infinite beyond the doubles."""
    exponent = index << -scale
    return ldexp(1.0, exponent) if exponent < 1024 else inf


def _bound_text(upper: float) -> str:
    text = _BOUND_TEXTS.get(upper)
    if text is None:
        text = bound(upper)
        if len(_BOUND_TEXTS) < _BOUND_TEXTS_MAX:
            _BOUND_TEXTS[upper] = text
    return text


def _by_bucket(bounds: Sequence[float], exemplars: Sequence[Exemplified]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value, text in exemplars:
        index = next((i for i, upper in enumerate(bounds) if value <= upper), None)
        if index is not None:
            found[index] = text
    return found
