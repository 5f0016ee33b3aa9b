"""``record``: what a call costs on the hot path.

Ours against a child of prometheus_client whose labels are looked up once, and against the SDK's
own record call with three attributes. A handle puts the arithmetic off to the collection; what a
value costs there is a row of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

import wiltonos_otel
from benchmarks.rounds import statements
from benchmarks.rows import Row, row

NUMBER = 20_000
ROUNDS = 25
ATTRIBUTES = {"loop": "breath", "window": "60s", "region": "eu"}
BOUNDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500)


def run(number: int = NUMBER, rounds: int = ROUNDS) -> Iterator[Row]:
    """Every row of the group."""
    with _ours() as ours, _sdk() as sdk:
        variants = {**_prometheus(), **ours, "sdk counter": ("call(1, attributes)", sdk)}
        seconds = statements(variants, number=number, rounds=rounds)
    for kind in ("gauge", "counter", "histogram"):
        mine = seconds.get(f"our {kind}")
        value = None if mine is None else mine / seconds[f"prometheus {kind}"]
        yield row(f"record.{kind}_vs_prometheus_client", value)
    mine = seconds.get("our counter")
    yield row("record.counter_speedup_vs_sdk", mine and seconds["sdk counter"] / mine)
    for name, value in seconds.items():
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
def _ours() -> Iterator[dict[str, tuple[str, dict[str, Any]]]]:
    """Our handles, registered with a provider whose reader collects when it is asked."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    wiltonos_otel.configure(meter_provider=provider)
    try:
        yield {
            "our gauge": ("handle.set(0.75)", {"handle": wiltonos_otel.coherence}),
            "our counter": ("handle.collapsed()", {"handle": wiltonos_otel.loop("breath")}),
        }
    finally:
        wiltonos_otel.shutdown()
        provider.shutdown()


@contextmanager
def _sdk() -> Iterator[dict[str, Any]]:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    counter = provider.get_meter("benchmark").create_counter("c")
    yield {"call": counter.add, "attributes": ATTRIBUTES}
    provider.shutdown()
