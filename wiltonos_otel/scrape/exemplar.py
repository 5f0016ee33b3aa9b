"""Exemplars as OpenMetrics 1.0 has them."""

from collections.abc import Sequence

from opentelemetry.sdk.metrics import Exemplar

from wiltonos_otel.scrape.text import Labels, labels_of, number, pairs

# OpenMetrics 1.0, exemplars: characters of all label names and values together
MAX_CHARACTERS = 128
NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


def exemplified(exemplars: Sequence[Exemplar]) -> list[tuple[float, str]]:
    """Values with their exemplar as text, in the order in which they were measured."""
    ordered = sorted(exemplars, key=lambda exemplar: exemplar.time_unix_nano)
    return [(exemplar.value, _text(exemplar)) for exemplar in ordered]


def newest(exemplars: Sequence[Exemplar]) -> str:
    """The newest exemplar as text; "" where there is none."""
    return exemplified(exemplars)[-1][1] if exemplars else ""


def _text(exemplar: Exemplar) -> str:
    seconds, nanos = divmod(exemplar.time_unix_nano, NS_PER_SECOND)
    time = f"{seconds}.{nanos // NS_PER_MS:03d}"
    labels = _labels(exemplar)
    return f" # {{{pairs(labels, labels)}}} {number(exemplar.value)} {time}"


def _labels(exemplar: Exemplar) -> Labels:
    """The trace, and what the point does not say about the measurement if all of it fits."""
    trace: Labels = {}
    if exemplar.trace_id:
        trace["trace_id"] = f"{exemplar.trace_id:032x}"
    if exemplar.span_id:
        trace["span_id"] = f"{exemplar.span_id:016x}"
    every = {**labels_of(exemplar.filtered_attributes), **trace}
    fits = sum(len(name) + len(value) for name, value in every.items()) <= MAX_CHARACTERS
    return every if fits else trace
