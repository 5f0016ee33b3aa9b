"""``scrape``: rendering ten thousand series, and what an event loop feels of it.

Five instruments of two thousand series each, since an SDK from 1.45 on holds no more by default.
"""

from collections.abc import Iterator
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from benchmarks.rounds import calls
from benchmarks.rows import Row, row
from benchmarks.stall import stall_ms
from wiltonos_otel.scrape import FastMetricReader
from wiltonos_service.telemetry.scrape import StockReader

INSTRUMENTS = 5
SERIES_EACH = 2_000
SERIES = INSTRUMENTS * SERIES_EACH
LABELS = ("loop", "window", "region")
ROUNDS = 7


def run() -> Iterator[Row]:
    """Every row of the group."""
    yield from rendering()
    reader = FastMetricReader()
    provider = _provider(reader, observable=False)
    yield row("scrape.loop_stall_ms", stall_ms(reader))
    provider.shutdown()


def rendering(rounds: int = ROUNDS) -> Iterator[Row]:
    """The rows about rendering."""
    fast, observed, stock = FastMetricReader(), FastMetricReader(), StockReader()
    providers = [
        _provider(fast, observable=False),
        _provider(observed, observable=True),
        _provider(stock.reader, observable=False),
    ]
    registry = _registry()
    openmetrics = "application/openmetrics-text"
    seconds = calls(
        {
            "prometheus_client": lambda: generate_latest(registry),
            "fast": fast.render,
            "fast_openmetrics": lambda: fast.render(openmetrics),
            "fast_observable": observed.render,
            "stock": lambda: stock.render(""),
        },
        rounds=rounds,
    )
    base = seconds.pop("prometheus_client")
    yield row("scrape.per_series_vs_prometheus_client", seconds["fast"] / base)
    for name in ("fast_openmetrics", "fast_observable", "stock"):
        yield Row(f"scrape.{name}_vs_prometheus_client", seconds[name] / base, "ratio")
    yield Row("scrape.per_series_us", seconds["fast"] / SERIES * 1e6, "us")
    for provider in providers:
        provider.shutdown()


def _series() -> list[dict[str, str]]:
    return [{"loop": f"loop-{i}", "window": "60s", "region": "eu"} for i in range(SERIES_EACH)]


def _provider(reader: MetricReader, *, observable: bool) -> MeterProvider:
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("benchmark")
    observations = [Observation(i / 7, labels) for i, labels in enumerate(_series())]

    def observe(_options: CallbackOptions) -> list[Observation]:
        return observations

    for index in range(INSTRUMENTS):
        if observable:
            meter.create_observable_gauge(f"gauge.{index}", [observe])
            continue
        # a sum that may fall is a gauge that every SDK shows at every collection
        gauge = meter.create_up_down_counter(f"gauge.{index}")
        for observation in observations:
            gauge.add(observation.value, observation.attributes)
    return provider


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for index in range(INSTRUMENTS):
        gauge: Any = Gauge(f"gauge_{index}", "", LABELS, registry=registry)
        for value, labels in enumerate(_series()):
            gauge.labels(**labels).set(value / 7)
    return registry
