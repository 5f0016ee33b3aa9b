"""``push``: what the exporter spends on a push of ten thousand loops, three series each.

Collecting is the SDK's, encoding the stock exporter's; our callbacks are a row of their own.
"""

from collections.abc import Iterator
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

from benchmarks.rounds import calls
from benchmarks.rows import Row
from wiltonos_otel.clock import SystemClock
from wiltonos_otel.instruments.coherence import CoherenceInstruments
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.policy import Policy
from wiltonos_service.telemetry.garbage import paused
from wiltonos_service.telemetry.limits import cardinality_limits
from wiltonos_service.telemetry.otlp import OtlpHttp

LOOPS = 10_000
SERIES = 3 * LOOPS
ROUNDS = 5


class _Reader(MetricReader):
    """Keeps the newest collection."""

    data: MetricsData

    def _receive_metrics(self, metrics_data: MetricsData, *_: Any, **__: Any) -> None:
        self.data = metrics_data

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing to end."""


def run(rounds: int = ROUNDS) -> Iterator[Row]:
    """Every row of the group."""
    reader = _Reader(**cardinality_limits(MetricReader))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    signal = _signal()
    instruments = CoherenceInstruments(provider.get_meter("benchmark"), Policy())
    instruments.attach(signal)
    sender: OtlpHttp[MetricsData] = OtlpHttp(
        OTLPMetricExporter, "http://127.0.0.1:9/v1/metrics", 1.0
    )
    with paused():
        seconds = calls(
            {
                "snapshot": signal.snapshot,
                "collect": reader.collect,
                "encode": lambda: sender.pack(reader.data),
            },
            rounds=rounds,
        )
    for name, value in seconds.items():
        yield Row(f"push.{name}_us_per_series", value / SERIES * 1e6, "us")
    sender.close()
    provider.shutdown()


def _signal() -> Signal:
    clock = SystemClock()
    # an hour, lest the loops go stale meanwhile
    signal = Signal("benchmark", Policy(), 3600, clock)
    now_ms = clock.now_ms()
    for index in range(LOOPS):
        signal.observe_loop(f"loop-{index}", now_ms, 0.7 + index / LOOPS / 10, 0.75, index)
    return signal
