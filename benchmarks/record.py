"""``record``: what a call costs on the hot path, with three attributes that were bound before.

Ours against a child of prometheus_client whose labels are looked up once, and against the SDK's
own record call. Handles put work off to the collection, which happens here between the rounds;
what it costs a value of a histogram, recording and collecting, is a row of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

import wiltonos_otel
from benchmarks.rounds import calls, statements
from benchmarks.rows import Row, row

# fewer than a histogram lets wait
NUMBER = 2_000
ROUNDS = 51
ATTRIBUTES = {"loop": "breath", "window": "60s", "region": "eu"}
BOUNDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500)


def run(number: int = NUMBER, rounds: int = ROUNDS) -> Iterator[Row]:
    """Every row of the group."""
    with _ours() as (ours, collect), _sdk() as sdk:
        variants = {**_prometheus(), **ours, "sdk counter": ("call(1, attributes)", sdk)}
        seconds = statements(variants, number=number, rounds=rounds, before=collect)
        record = ours["our histogram"][1]["handle"].record

        def record_and_collect() -> None:
            for _ in range(number):
                record(42.0)
            collect()

        collected = calls({"collected": record_and_collect}, rounds=rounds)["collected"] / number
    for kind in ("gauge", "counter", "histogram"):
        ratio = seconds[f"our {kind}"] / seconds[f"prometheus {kind}"]
        yield row(f"record.{kind}_vs_prometheus_client", ratio)
    yield row("record.counter_speedup_vs_sdk", seconds["sdk counter"] / seconds["our counter"])
    coherence = seconds["our coherence"] / seconds["prometheus gauge"]
    yield Row("record.coherence_vs_prometheus_client", coherence, "ratio")
    for name, value in {**seconds, "our histogram collected": collected}.items():
        yield Row(f"record.{name.replace(' ', '_')}_ns", value * 1e9, "ns")


def _prometheus() -> dict[str, tuple[str, dict[str, Any]]]:
    registry = CollectorRegistry()
    labels = list(ATTRIBUTES)
    gauge = Gauge("g", "", labels, registry=registry).labels(**ATTRIBUTES)
    counter = Counter("c", "", labels, registry=registry).labels(**ATTRIBUTES)
    histogram = Histogram("h", "", labels, buckets=BOUNDS, registry=registry).labels(**ATTRIBUTES)
    return {
        "prometheus gauge": ("child.set(0.75)", {"child": gauge}),
        "prometheus counter": ("child.inc()", {"child": counter}),
        "prometheus histogram": ("child.observe(42.0)", {"child": histogram}),
    }


@contextmanager
def _ours() -> Iterator[tuple[dict[str, tuple[str, dict[str, Any]]], Callable[[], object]]]:
    """Our handles with statements that use them, and what collects them."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    handles = wiltonos_otel.Handles(provider.get_meter("benchmark"))
    gauge = handles.gauge("g").bind(ATTRIBUTES)
    counter = handles.counter("c").bind(ATTRIBUTES)
    histogram = handles.histogram("h").bind(ATTRIBUTES)
    wiltonos_otel.configure(meter_provider=provider)
    try:
        yield (
            {
                "our gauge": ("handle.set(0.75)", {"handle": gauge}),
                "our counter": ("handle.add()", {"handle": counter}),
                "our histogram": ("handle.record(42.0)", {"handle": histogram}),
                "our coherence": ("handle.set(0.75)", {"handle": wiltonos_otel.coherence}),
                "our collapses": ("handle.collapsed()", {"handle": wiltonos_otel.loop("breath")}),
            },
            reader.get_metrics_data,
        )
    finally:
        wiltonos_otel.shutdown()
        provider.shutdown()


@contextmanager
def _sdk() -> Iterator[dict[str, Any]]:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    counter = provider.get_meter("benchmark").create_counter("c")
    yield {"call": counter.add, "attributes": ATTRIBUTES}
    provider.shutdown()
