"""The life of a reader: before a provider, after it, across forks, at ten thousand series."""

import faulthandler
import gc
import os
import sys
import threading
import time
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider

from wiltonos_otel.scrape import FastMetricReader, ScrapeUnavailable


def test_reader_without_a_provider_says_so() -> None:
    """Rather than an empty page, which would end every series."""
    with pytest.raises(ScrapeUnavailable, match="no MeterProvider"):
        FastMetricReader().render()


def test_reader_that_was_shut_down_says_so(both: Any) -> None:
    """The last scrape of a service that ends is an error, not an empty page."""
    both.provider.shutdown()
    with pytest.raises(ScrapeUnavailable, match="shut down"):
        both.fast.render()


def test_provider_without_metrics_is_an_empty_page(both: Any) -> None:
    """Nothing was recorded yet, and that is no error."""
    assert both.ours() == ""
    assert both.openmetrics() == "# EOF\n"


def test_failure_of_a_collection_reaches_the_scraper_and_the_next_one_works(both: Any) -> None:
    """Nothing stays locked."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1)
    collect = both.fast._collect

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("broken")

    both.fast._collect = fail
    with pytest.raises(RuntimeError, match="broken"):
        both.fast.render()
    both.fast._collect = collect
    assert both.lines() == ["g 1.0"]


def test_series_that_are_gone_are_gone_and_forgotten(both: Any) -> None:
    """A callback that yields nothing ends its series, and their text is not kept for ever."""
    shown: list[str] = []

    def read(_options: CallbackOptions) -> list[Observation]:
        return [Observation(1, {"loop": name}) for name in shown]

    both.provider.get_meter("a").create_observable_gauge("g", [read])
    for generation in range(5):
        shown[:] = [f"{generation}-{index}" for index in range(100)]
        assert len(both.lines()) == 100
    shown[:] = ["last"]
    assert both.lines() == ['g{loop="last"} 1.0']
    (stream,) = both.fast._families._streams.values()
    assert len(stream._stems) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_child_renders_even_if_the_parent_was_rendering(both: Any) -> None:
    """No lock that a thread of the parent held stops the child, of the reader or of the SDK."""
    collecting, parent = threading.Event(), os.getpid()

    def read(_options: CallbackOptions) -> list[Observation]:
        collecting.set()
        if os.getpid() == parent:
            time.sleep(0.05)
        return [Observation(1)]

    both.provider.get_meter("a").create_observable_gauge("g", [read])
    scrape = threading.Thread(target=both.fast.render)
    scrape.start()
    assert collecting.wait(5)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        os._exit(0 if b"g 1.0" in both.fast.render().body else 1)
    _, status = os.waitpid(child, 0)
    scrape.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_ten_thousand_observed_series_are_all_shown(both: Any) -> None:
    """The SDK's own limit would fold eight thousand of them into one."""

    def read(_options: CallbackOptions) -> list[Observation]:
        return [Observation(index, {"loop": f"loop-{index}"}) for index in range(10_000)]

    both.provider.get_meter("a").create_observable_gauge("g", [read])
    assert len(both.lines()) == 10_000


def test_names_choose_families(both: Any) -> None:
    """By the family's name or by a sample's; comments and EOF stay in place."""
    meter = both.provider.get_meter("a")
    meter.create_counter("c", "s").add(1)
    meter.create_histogram("h").record(1)
    meter.create_up_down_counter("g").add(1)
    assert both.ours(names=["c_seconds_total"]).splitlines()[-1] == "c_seconds_total 1.0"
    assert "h_bucket" in both.ours(names=["h_sum"])
    assert "h_bucket" in both.ours(names=["h"])
    assert both.ours(names=["nothing"]) == ""
    assert both.ours(names=["target_info"]).startswith("# HELP target_info")
    assert "target_info{" in both.ours("application/openmetrics-text", ["target"])


def test_text_is_made_once_per_series() -> None:
    """A second scrape allocates no text of labels: what it keeps does not grow."""
    reader = FastMetricReader()
    provider = MeterProvider([reader])
    gauge = provider.get_meter("a").create_up_down_counter("g")
    for index in range(500):
        gauge.add(index, {"k": f"v{index}"})
    reader.render()
    (stream,) = reader._families._streams.values()
    stems = {key: id(stem) for key, stem in stream._stems.items()}
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(5):
        reader.render()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 500
    assert stems == {key: id(stem) for key, stem in stream._stems.items()}
    provider.shutdown()


def test_deltas_are_refused() -> None:
    """A counter of Prometheus that falls at each scrape would count nothing but restarts."""
    with pytest.raises(ValueError, match="the text formats are cumulative"):
        FastMetricReader(preferred_temporality={})
