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
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.load import Load, drive
from benchmarks.ports import free_port
from benchmarks.rows import Row, row
from notifier.testing.webhooks import alert, encoded, webhook

PATH = "/api/v1/alertmanager"
ROUNDS = 5
SECONDS = 3.0
START_SECONDS = 30
WT = "from wiltonos_otel.cli.entry import main; main()"
CONFIG = """
[notifier]
listen = "127.0.0.1:{port}"
database = "sqlite:///bench.db"
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
            "ours": running.enter_context(_notifier(Path(directory))),
        }
        loads = asyncio.run(_measure(ports))
    ours, bare = loads["ours"], loads["bare"]
    per_second = median(load.per_second for load in ours)
    yield row("notifier.accept_per_second", per_second)
    yield row("notifier.accept_vs_bare", per_second / median(load.per_second for load in bare))
    yield row("notifier.accept_p99_ms", median(load.p99_seconds for load in ours) * 1000)
    yield Row("notifier.bare_per_second", median(load.per_second for load in bare), "1/s")
    yield Row("notifier.bare_p99_ms", median(load.p99_seconds for load in bare) * 1000, "ms")
    yield Row("notifier.refused", float(sum(load.refused for load in ours)), "webhooks")


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


@contextmanager
def _notifier(directory: Path) -> Iterator[int]:
    port, closed = free_port(), free_port()
    config = directory / "wiltonos.toml"
    config.write_text(CONFIG.format(port=port, closed=closed))
    command = ["notifier", "run", "--config", str(config), "--log-level", "error"]
    with _process(["-c", WT, *command]) as process:
        _wait_for(f"http://127.0.0.1:{port}/-/healthy", process)
        yield port


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
