"""``memory``: what a series costs, in bytes of resident memory.

A gauge handle against a synchronous gauge of the SDK, both with one attribute; beside them a loop,
which is three series (Φ, pressure, collapses). Each is measured in a process of its own, before
anybody collects: an SDK that collects ours as well adds its own state.
"""

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.rows import Row, row

ROUNDS = 3
SERIES = 30_000
COMMON = """
import gc, sys
SERIES = int(sys.argv[1])

def resident():
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
"""
SDK = """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
EACH = 1_500
meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("benchmark")
gauges = [meter.create_gauge(f"gauge.{i}") for i in range(SERIES // EACH)]
before = resident()
for index, gauge in enumerate(gauges):
    for series in range(EACH):
        gauge.set(0.75, {"loop": f"loop-{index}-{series}"})
print((resident() - before) / SERIES)
"""
HANDLES = """
from wiltonos_otel import Handles
from opentelemetry.sdk.metrics import MeterProvider
meter = MeterProvider(shutdown_on_exit=False).get_meter("benchmark")
gauge = Handles(meter).gauge("gauge", max_series=SERIES)
before = resident()
for series in range(SERIES):
    gauge.bind({"loop": f"loop-{series}"}).set(0.75)
print((resident() - before) / SERIES)
"""
LOOPS = """
from wiltonos_otel.clock import SystemClock
from wiltonos_otel.instruments.handles import Loop, Slot
from wiltonos_otel.instruments.recorder import Recorder
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.policy import Policy
slot = Slot()
slot.recorder = Recorder(Signal("memory", Policy(), 60, SystemClock()), lambda reason: None)
before = resident()
loops = [Loop(f"loop-{index}", slot) for index in range(SERIES // 3)]
for loop in loops:
    loop.set(0.75)
    loop.collapsed()
slot.recorder.snapshot()
print((resident() - before) / SERIES)
"""


def run() -> Iterator[Row]:
    """Every row of the group."""
    programs = {"sdk": SDK, "handle": HANDLES, "loop": LOOPS}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            found[name].append(_bytes(program))
    size = {name: median(values) for name, values in found.items()}
    yield row("memory.per_series_vs_sdk_gauge", size["handle"] / size["sdk"])
    yield Row("memory.gauge_handle_bytes", size["handle"], "bytes")
    yield Row("memory.loop_bytes_per_series", size["loop"], "bytes")
    yield Row("memory.sdk_gauge_bytes", size["sdk"], "bytes")


def _bytes(program: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", COMMON + program, str(SERIES)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
