"""``exit``: how long a service takes to end while its Collector is away."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.rows import Row, row
from wiltonos_service.telemetry.testing import black_hole

ROUNDS = 3
# long enough for pushes to be under way or to have failed when the program ends
SERVICE = """
import sys, time, wiltonos_otel
wiltonos_otel.configure(
    service_name="ending", otlp_endpoint=sys.argv[1], export_interval_seconds=0.2
)
for _ in range(10):
    wiltonos_otel.coherence.set(0.75)
    time.sleep(0.1)
print("done", flush=True)
"""


def run() -> Iterator[Row]:
    """Every row of the group."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield row("exit.collector_refused_s", median(_seconds(refusing) for _ in range(ROUNDS)))
    with black_hole() as silent:
        value = median(_seconds(silent) for _ in range(ROUNDS))
    yield row("exit.collector_blackhole_s", value)


def _seconds(endpoint: str) -> float:
    """From the last line of a program to the end of its process."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start = time.monotonic()
        process.wait(60)
        return time.monotonic() - start
