"""``notifier``: webhooks accepted, which means committed, against a handler that only says 200.

Both run as processes of their own and are asked in turns by 32 clients that keep their connection.
Every webhook is a group of its own, the dearest case; SQLite, two channels whose chats are away.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import postgresql
from benchmarks.load import Load, drive
from benchmarks.ports import free_port
from benchmarks.rows import Row, row
from notifier.testing.webhooks import alert, encoded, webhook

PATH = "/api/v1/alertmanager"
ROUNDS = 5
SECONDS = 3.0
START_SECONDS = 30
SQLITE = "sqlite:///bench.db"
# incidents at which the memory is looked at
FEW, MANY = 20_000, 100_000
WT = "from wiltonos_otel.cli.entry import main; main()"
CONFIG = """
[notifier]
listen = "127.0.0.1:{port}"
database = "{database}"
heartbeat_timeout_seconds = 0

[[notifier.channels]]
name = "slack"
kind = "slack"
token = "xoxb-benchmark"
channel = "C0123456789"
api_url = "http://127.0.0.1:{closed}/api/"

[[notifier.channels]]
name = "discord"
kind = "discord_webhook"
url = "http://127.0.0.1:{closed}/api/webhooks/1/benchmark"
"""


def run() -> Iterator[Row]:
    """Every row of the group."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as running:
        ports = {
            "bare": running.enter_context(_bare()),
            "ours": running.enter_context(_notifier(Path(directory) / "sqlite", SQLITE)).port,
        }
        if postgresql.installed():
            url = f"{running.enter_context(postgresql.server())}/postgres"
            shared = running.enter_context(_notifier(Path(directory) / "postgresql", url))
            ports["postgresql"] = shared.port
        loads = asyncio.run(_measure(ports))
    ours, bare = loads["ours"], loads["bare"]
    per_second = median(load.per_second for load in ours)
    yield row("notifier.accept_per_second", per_second)
    yield row("notifier.accept_vs_bare", per_second / median(load.per_second for load in bare))
    yield row("notifier.accept_p99_ms", median(load.p99_seconds for load in ours) * 1000)
    for name, each in loads.items():
        if name != "ours":
            rate, p99 = (load.per_second for load in each), (load.p99_seconds for load in each)
            yield Row(f"notifier.{name}_per_second", median(rate), "1/s")
            yield Row(f"notifier.{name}_p99_ms", median(p99) * 1000, "ms")
    yield Row("notifier.refused", float(sum(load.refused for load in ours)), "webhooks")
    yield from _remembering()


def _remembering() -> Iterator[Row]:
    """Resident memory while incidents pile up, all of them open and waiting for both chats."""
    with tempfile.TemporaryDirectory() as directory, _notifier(Path(directory), SQLITE) as service:
        bodies, accepted, resident = _bodies(), 0, dict[int, float]()
        for mark in (FEW, MANY):
            while accepted < mark:
                load = asyncio.run(drive(service.port, PATH, bodies, 1.0))
                accepted += len(load.latencies)
            resident[mark] = _resident_mb(service.pid)
    yield Row("notifier.memory_few_mb", resident[FEW], "MB")
    yield Row("notifier.memory_many_mb", resident[MANY], "MB")


def _resident_mb(pid: int) -> float:
    (line,) = [
        each
        for each in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        if each.startswith("VmRSS:")
    ]
    return int(line.split()[1]) / 1000


async def _measure(ports: dict[str, int]) -> dict[str, list[Load]]:
    bodies = _bodies()
    loads: dict[str, list[Load]] = {name: [] for name in ports}
    for name, port in ports.items():
        # connections, caches and the database's first pages
        await drive(port, PATH, bodies, SECONDS / 3)
        assert name in loads
    for _ in range(ROUNDS):
        for name, port in ports.items():
            loads[name].append(await drive(port, PATH, bodies, SECONDS))
    return loads


def _bodies() -> Iterator[bytes]:
    for number in count():
        host = f"host-{number}"
        key = f'{{}}:{{alertname="WiltonosSoftSteer", instance="{host}"}}'
        one = alert("WiltonosSoftSteer", labels={"instance": host, "job": "wiltonos-exporter"})
        yield encoded(webhook(one, group_key=key, group_labels={"instance": host}))


@contextmanager
def _bare() -> Iterator[int]:
    with _process(["-m", "benchmarks.bare"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@dataclass(frozen=True, slots=True)
class _Service:
    port: int
    pid: int


@contextmanager
def _notifier(directory: Path, database: str) -> Iterator[_Service]:
    port, closed = free_port(), free_port()
    directory.mkdir(exist_ok=True)
    config = directory / "wiltonos.toml"
    config.write_text(CONFIG.format(port=port, closed=closed, database=database))
    command = ["notifier", "run", "--config", str(config), "--log-level", "error"]
    with _process(["-c", WT, *command]) as process:
        _wait_for(f"http://127.0.0.1:{port}/-/healthy", process)
        yield _Service(port, process.pid)


@contextmanager
def _process(
    arguments: list[str], stdout: int = subprocess.DEVNULL
) -> "Iterator[subprocess.Popen[bytes]]":
    environ = {**os.environ, "OTEL_METRICS_EXPORTER": "none"}
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=stdout, stderr=subprocess.DEVNULL, env=environ
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                assert json.load(answer)["status"]
                return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the notifier did not start") from None
            time.sleep(0.05)
