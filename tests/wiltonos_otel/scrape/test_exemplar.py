"""Exemplars in OpenMetrics."""

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.view import View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client.openmetrics import parser

from wiltonos_otel.scrape.exemplar import newest

TRACE, SPAN = 0xABC, 0xDEF
IDS = {"trace_id": f"{TRACE:032x}", "span_id": f"{SPAN:016x}"}


def traced(record: Callable[..., None], value: float, attributes: dict[str, str]) -> None:
    """Record within a sampled span."""
    span = NonRecordingSpan(SpanContext(TRACE, SPAN, False, TraceFlags(TraceFlags.SAMPLED)))
    with trace.use_span(span):
        record(value, attributes)


def samples(text: str) -> dict[tuple[str, str], Any]:
    """Samples by name and bound."""
    families = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {(s.name, s.labels.get("le", "")): s for f in families for s in f.samples}


def test_counter_shows_the_trace_that_raised_it(make: Callable[..., Any]) -> None:
    """With the attributes that a view left out of the series."""
    both = make([View(instrument_name="c", attribute_keys={"kept"})], exemplars=True)
    counter = both.provider.get_meter("a").create_counter("c")
    traced(counter.add, 2, {"kept": "1", "user.id": "7"})
    exemplar = samples(both.openmetrics())["c_total", ""].exemplar
    assert exemplar.labels == {**IDS, "user_id": "7"}
    assert exemplar.value == 2
    assert exemplar.timestamp is not None


def test_histogram_shows_one_exemplar_in_the_bucket_it_fell_into(
    make: Callable[..., Any],
) -> None:
    """Each bucket its own; the older formats have none."""
    both = make(exemplars=True)
    histogram = both.provider.get_meter("a").create_histogram(
        "h", explicit_bucket_boundaries_advisory=[1.0, 10.0]
    )
    for value in (0.5, 20, 30):
        traced(histogram.record, value, {})
    found = samples(both.openmetrics())
    assert found["h_bucket", "1.0"].exemplar.value == 0.5
    assert found["h_bucket", "10.0"].exemplar is None
    assert found["h_bucket", "+Inf"].exemplar.value == 30
    traced(histogram.record, 5, {})
    assert " # {" not in both.ours()


def test_attributes_that_do_not_fit_are_left_out() -> None:
    """OpenMetrics allows 128 characters of labels; the trace always fits."""
    fits = Exemplar({"k": "v" * 64}, 1, 1_500_000_000_123_456_789, SPAN, TRACE)
    exceeds = Exemplar({"k": "v" * 65}, 1, 1_500_000_000_123_456_789, SPAN, TRACE)
    ids = f'span_id="{SPAN:016x}",trace_id="{TRACE:032x}"'
    assert 'k="vvv' in newest([fits])
    assert {*newest([exceeds]).split("{")[1].split("}")[0].split(",")} == {*ids.split(",")}
    assert newest([exceeds]).endswith("} 1.0 1500000000.123")


def test_newest_exemplar_counts() -> None:
    """A reservoir hands out several, in any order."""
    exemplars = [Exemplar({}, 2, 20), Exemplar({}, 3, 30), Exemplar({}, 1, 10)]
    assert newest(exemplars) == " # {} 3.0 0.000"
    assert newest([]) == ""
