"""``push``: what the exporter spends on a push of ten thousand loops, three series each.

The exporter produces its loops and keeps the bytes of their attributes. Beside it stands what the
same loops take as observable instruments of the SDK, encoded by the stock exporter.
"""

from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from benchmarks.rounds import calls
from benchmarks.rows import Row, row
from wiltonos_otel.clock import SystemClock
from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments
from wiltonos_otel.instruments.produced import LoopProducer
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.policy import Policy
from wiltonos_service.telemetry.encoding import MetricsEncoder
from wiltonos_service.telemetry.garbage import paused
from wiltonos_service.telemetry.limits import cardinality_limits
from wiltonos_service.telemetry.otlp import Encoding, OtlpHttp
from wiltonos_service.telemetry.producer import Producers

LOOPS = 10_000
SERIES_PER_LOOP = 3
ROUNDS = 5


class _Reader(MetricReader):
    """Keeps the newest collection."""

    data: MetricsData

    def _receive_metrics(self, metrics_data: MetricsData, *_: Any, **__: Any) -> None:
        self.data = metrics_data

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing to end."""


def run(rounds: int = ROUNDS, loops: int = LOOPS) -> Iterator[Row]:
    """Every row of the group."""
    signal = _signal(loops)
    collect, observe = _collecting(signal, observed=False), _collecting(signal, observed=True)
    data = collect()
    ours, stock = (
        OtlpHttp(OTLPMetricExporter, "http://127.0.0.1:9/v1/metrics", 1.0, encoding=encoding)
        for encoding in (Encoding(MetricsData([]), MetricsEncoder().encode), None)
    )
    with paused():
        seconds = calls(
            {
                "snapshot": signal.snapshot,
                "collect": collect,
                "encode": lambda: ours.pack(data),
                "sdk_collect": observe,
                "sdk_encode": lambda: stock.pack(data),
            },
            rounds=rounds,
        )
    for name, value in seconds.items():
        yield Row(f"push.{name}_us_per_series", value / (SERIES_PER_LOOP * loops) * 1e6, "us")
    by_sdk = seconds["sdk_collect"] + seconds["sdk_encode"]
    yield row("push.vs_sdk", (seconds["collect"] + seconds["encode"]) / by_sdk)
    for sender in (ours, stock):
        sender.close()


def _collecting(signal: Signal, *, observed: bool) -> Callable[[], MetricsData]:
    reader, producers = _Reader(**cardinality_limits(MetricReader)), Producers()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instruments = CoherenceInstruments(provider.get_meter(METER), Policy(), observe_loops=observed)
    instruments.attach(signal)
    if not observed:
        producers.register(LoopProducer(instruments, InstrumentationScope(METER)))

    def collect() -> MetricsData:
        reader.collect()
        return producers.complete(reader.data)

    return collect


def _signal(loops: int) -> Signal:
    clock = SystemClock()
    # an hour, lest the loops go stale meanwhile
    signal = Signal("benchmark", Policy(), 3600, clock)
    now_ms = clock.now_ms()
    for index in range(loops):
        signal.observe_loop(f"loop-{index}", now_ms, 0.7 + index / loops / 10, 0.75, index)
    return signal
