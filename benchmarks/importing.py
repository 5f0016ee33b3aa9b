"""``import``: what ``import wiltonos_otel`` costs a program that has the API already.

The handles are there then. What ``configure()`` imports besides is a row of its own, without the
SDK, which a program with a provider has already.
"""

import compileall
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.rows import Row, row

ROUNDS = 11
PACKAGES = ("wiltonos_otel", "wiltonos_service")
COMPUTING = (
    "wiltonos_otel.options, wiltonos_otel.instruments.bound, "
    "wiltonos_otel.instruments.coherence, wiltonos_otel.instruments.recorder"
)
PROGRAM = "import time; s = time.process_time(); import {}; print(time.process_time() - s)"


def run() -> Iterator[Row]:
    """Every row of the group."""
    # as an installation does: with PYTHONDONTWRITEBYTECODE each import would compile what changed
    for package in PACKAGES:
        compileall.compile_dir(Path(__file__).parent.parent / package, quiet=2)
    api: list[float] = []
    ours: list[float] = []
    computing: list[float] = []
    for _ in range(ROUNDS):
        api.append(_seconds("opentelemetry.metrics"))
        ours.append(_seconds("wiltonos_otel"))
        computing.append(_seconds(COMPUTING))
    yield row("import.vs_opentelemetry_api", median(ours) / median(api))
    yield Row("import.configured_vs_opentelemetry_api", median(computing) / median(api), "ratio")
    yield Row("import.ms", median(ours) * 1000, "ms")


def _seconds(module: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
