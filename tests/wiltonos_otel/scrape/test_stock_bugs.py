"""One test for each thing that opentelemetry-exporter-prometheus 0.66b2 gets wrong."""

import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from wiltonos_otel.scrape.histogram import buckets

Make = Callable[..., Any]


def test_two_scopes_with_one_name_keep_their_own_labels(both: Any) -> None:
    """No value gets under another label's name, and TYPE and HELP come once."""
    both.provider.get_meter("a").create_counter("z", description="first").add(1, {"x": "1"})
    both.provider.get_meter("b").create_counter("z", description="second").add(2, {"y": "7"})
    assert both.lines() == ['z_total{x="1",y=""} 1.0', 'z_total{x="",y="7"} 2.0']
    assert both.ours().count("# TYPE z_total counter") == 1
    assert both.ours().count("# HELP z_total first") == 1
    assert "second" not in both.ours()


def test_two_scopes_are_told_apart_by_scope_labels(make: Make) -> None:
    """With scope labels every series has those of its own scope."""
    both = make(scope_labels=True)
    both.provider.get_meter("a", "1").create_counter("z").add(1, {"x": "1"})
    both.provider.get_meter("b", "2", attributes={"team": "red"}).create_counter("z").add(2)
    first, second = both.lines()
    assert 'otel_scope_name="a",otel_scope_schema_url="",otel_scope_team=""' in first
    assert 'otel_scope_team="red",otel_scope_version="2",x=""' in second


def test_equal_series_of_two_scopes_are_shown_once(both: Any) -> None:
    """A scrape never holds a series twice; the first one counts."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1, {"k": "v"})
    both.provider.get_meter("b").create_up_down_counter("g").add(2, {"k": "v"})
    assert both.lines() == ['g{k="v"} 1.0']


def test_values_that_read_the_same_are_one_series(both: Any) -> None:
    """True and "true" are two attribute sets, and one series."""
    gauge = both.provider.get_meter("a").create_up_down_counter("g")
    gauge.add(1, {"k": True})
    gauge.add(2, {"k": "true"})
    assert both.lines() == ['g{k="true"} 1.0']


def test_a_name_with_two_types_is_exposed_once(both: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The first type wins, and one line in the log says what is missing."""
    both.provider.get_meter("a").create_histogram("size").record(1)
    both.provider.get_meter("b").create_up_down_counter("size").add(5)
    both.provider.get_meter("c").create_up_down_counter("size.count").add(6)
    with caplog.at_level(logging.WARNING, "wiltonos_otel.scrape"):
        assert len(parse_text(both.ours())) == 2
        assert len(parse_text(both.ours())) == 2
    assert "size 5.0" not in both.ours()
    assert "size_count 1.0" in both.ours()
    assert len(caplog.messages) == 2


def test_counter_and_gauge_of_one_name_clash_in_openmetrics_only(both: Any) -> None:
    """In the older format x and x_total are two families; OpenMetrics calls both x."""
    meter = both.provider.get_meter("a")
    meter.create_counter("x").add(1)
    both.provider.get_meter("b").create_up_down_counter("x").add(5)
    assert both.lines() == ["x_total 1.0", "x 5.0"]
    assert [f.type for f in parse_openmetrics(both.openmetrics())] == ["info", "counter"]


def parse_text(text: str) -> list[Metric]:
    """The families of a text in the older format."""
    return [*parser.text_string_to_metric_families(text)]


def parse_openmetrics(text: str) -> list[Metric]:
    """The families of an OpenMetrics text, which this parser holds to the specification."""
    return [*openmetrics_parser.text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]


def exponential() -> View:
    """Makes every histogram an exponential one."""
    return View(
        instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation(max_size=20)
    )


def test_exponential_histograms_become_buckets_at_powers_of_two(make: Make) -> None:
    """One such histogram does not cost the scrape, and the counts are right."""
    both = make([exponential()])
    histogram = both.provider.get_meter("a").create_histogram("h", "s")
    for value in (0, 0.3, 1, 1.5, 2, 3, 100):
        histogram.record(value, {"k": "v"})
    assert both.lines() == [
        'h_seconds_bucket{k="v",le="0.0"} 1.0',
        'h_seconds_bucket{k="v",le="0.5"} 2.0',
        'h_seconds_bucket{k="v",le="1.0"} 3.0',
        'h_seconds_bucket{k="v",le="2.0"} 5.0',
        'h_seconds_bucket{k="v",le="4.0"} 6.0',
        'h_seconds_bucket{k="v",le="128.0"} 7.0',
        'h_seconds_bucket{k="v",le="+Inf"} 7.0',
        'h_seconds_count{k="v"} 7.0',
        'h_seconds_sum{k="v"} 107.8',
    ]


def test_exponential_buckets_stay_when_the_scale_coarsens(make: Make) -> None:
    """New values change the SDK's scale, but no bound that was there becomes another."""
    both = make([exponential()])
    histogram = both.provider.get_meter("a").create_histogram("h")
    bounds: set[str] = set()
    for value in (1.01, 1.02, 1.5, 40, 3000):
        histogram.record(value)
        now = {line.split('"')[1] for line in both.lines() if "_bucket" in line}
        assert bounds <= now
        bounds = now


def test_exponential_histograms_of_any_range_parse(make: Make) -> None:
    """From the smallest to the largest doubles, at scales below zero."""
    both = make([exponential()])
    histogram = both.provider.get_meter("a").create_histogram("h")
    for value in (5e-324, 1e-300, 1.0, 1e300, 1.7e308):
        histogram.record(value)
    (family,) = [f for f in parse_openmetrics(both.openmetrics()) if f.name == "h"]
    counts = [s.value for s in family.samples if s.name == "h_bucket"]
    assert counts == sorted(counts)
    assert counts[-1] == 5


def test_concurrent_scrapes_are_each_complete(both: Any) -> None:
    """Never an empty answer and never a series twice, however threads interleave."""
    gauge = both.provider.get_meter("a").create_up_down_counter("g")
    for index in range(200):
        gauge.add(index, {"i": str(index)})
    expected = both.ours()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            texts = [*pool.map(lambda _: both.ours(), range(200))]
            pool.submit(both.provider.force_flush).result()
    finally:
        sys.setswitchinterval(interval)
    assert {*texts} == {expected}


def test_scrapes_that_want_the_same_share_one_collection(both: Any) -> None:
    """A second scraper that comes during a collection does not start another."""
    entered, leave, collections = threading.Event(), threading.Event(), []

    def read(_options: CallbackOptions) -> list[Observation]:
        collections.append(1)
        entered.set()
        assert leave.wait(10)
        return [Observation(1)]

    both.provider.get_meter("a").create_observable_gauge("g", [read])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(both.fast.render)
        assert entered.wait(10)
        (under_way,) = both.fast._under_way.values()
        second = pool.submit(both.fast.render)
        until(lambda: under_way._condition._waiters)
        leave.set()
        assert first.result(10) is second.result(10)
    assert len(collections) == 1


def until(holds: Callable[[], object]) -> None:
    """Wait until it is true, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_flush_of_the_provider_leaves_no_trace_in_a_scrape(both: Any) -> None:
    """A flush collects nothing for a reader that is asked when somebody wants to know."""
    reads: list[int] = []

    def read(_options: CallbackOptions) -> list[Observation]:
        reads.append(1)
        return [Observation(1)]

    both.provider.get_meter("a").create_observable_gauge("g", [read])
    assert both.fast.force_flush()
    assert not reads
    assert both.lines() == ["g 1.0"]


def test_colliding_labels_are_joined(both: Any) -> None:
    """a.b and a_b become one label, with both values in the order of their keys."""
    both.provider.get_meter("a").create_up_down_counter("g").add(
        1, {"a_b": "2", "a.b": "1", "c": "3"}
    )
    assert both.lines() == ['g{a_b="1;2",c="3"} 1.0']


def test_attribute_le_does_not_corrupt_a_histogram(both: Any) -> None:
    """The format's own label stays; the attribute moves aside."""
    view_bounds = [1.0]
    histogram = both.provider.get_meter("a").create_histogram(
        "h", explicit_bucket_boundaries_advisory=view_bounds
    )
    histogram.record(0.5, {"le": "mine", "zone": "x", "a": "y"})
    assert both.lines() == [
        'h_bucket{a="y",exported_le="mine",le="1.0",zone="x"} 1.0',
        'h_bucket{a="y",exported_le="mine",le="+Inf",zone="x"} 1.0',
        'h_count{a="y",exported_le="mine",zone="x"} 1.0',
        'h_sum{a="y",exported_le="mine",zone="x"} 0.5',
    ]


def test_infinite_bound_of_the_user_is_the_last_bucket() -> None:
    """There is one bucket without a bound, also when a view of an older SDK names it."""
    point = HistogramDataPoint({}, 0, 0, 3, 9, (1, 2, 0), (1, math.inf), 1, 5)
    assert buckets(point) == ([1, math.inf], [1, 3])


@pytest.mark.parametrize(
    ("name", "series"),
    [("überschrift", "_berschrift"), ("1st", "_st"), ("a b\nc", "a_b_c"), ("_total", "_total")],
)
def test_invalid_names_of_views_are_translated(make: Make, name: str, series: str) -> None:
    """A view may call a metric anything; the text stays parseable."""
    both = make([View(instrument_name="x", name=name)])
    both.provider.get_meter("a").create_up_down_counter("x").add(1)
    assert both.lines() == [f"{series} 1.0"]
    assert parse_openmetrics(both.openmetrics())


def test_hostile_values_and_descriptions_are_escaped(both: Any) -> None:
    """What comes back from a parser is what went in."""
    hostile = 'a"b\\c\nd\\ne{}#,=\ré😀'
    gauge = both.provider.get_meter("a").create_up_down_counter("g", description=hostile)
    gauge.add(1, {"k": hostile})
    for families in (parse_text(both.ours()), parse_openmetrics(both.openmetrics())):
        (family,) = [f for f in families if f.name == "g"]
        assert family.samples[0].labels == {"k": hostile}
        assert family.documentation == hostile


def test_lone_surrogate_does_not_cost_the_scrape(both: Any) -> None:
    """A file name that was no UTF-8 may end up in a label."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1, {"k": "x\udc80y"})
    assert both.lines() == ['g{k="x?y"} 1.0']


def test_target_info_follows_the_resource(make: Make) -> None:
    """The resource as labels, in both formats."""
    both = make(resource=Resource({"service.name": "s", "n": 7, "a.b": "1", "a_b": "2"}))
    both.provider.get_meter("a").create_up_down_counter("g").add(1)
    line = 'target_info{a_b="1;2",n="7",service_name="s"} 1.0\n'
    assert both.ours().startswith(
        f"# HELP target_info Target metadata\n# TYPE target_info gauge\n{line}"
    )
    assert both.openmetrics().startswith(
        f"# HELP target Target metadata\n# TYPE target info\n{line}"
    )


def test_resource_attributes_become_labels_when_asked(make: Make) -> None:
    """The filter sees the original key; an attribute of the point wins."""
    both = make(resource_labels=lambda key: key == "service.name", target_info=False)
    both.provider.get_meter("a").create_up_down_counter("g").add(1, {"k": "v"})
    both.provider.get_meter("a").create_up_down_counter("f").add(1, {"service.name": "mine"})
    assert both.ours().splitlines()[2] == 'g{k="v",service_name="test"} 1.0'
    assert both.ours().splitlines()[5] == 'f{service_name="mine"} 1.0'
