"""``notifier``: webhooks accepted, which means committed, against a handler that only says 200.

Both run as processes of their own and are asked in turns by 32 clients that keep their connection,
with bodies of the size that our own rules make. Every webhook is a group of its own, the dearest
case; SQLite, two channels whose chats are away. The rows named ``barely`` are the same with a load
generator of bare sockets: aiohttp's client costs more than the handler that only says 200, so that
it is the client whose rate is measured there, as in any load test from one machine.
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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import postgresql
from benchmarks.load import Load, drive, drive_barely
from benchmarks.ports import free_port
from benchmarks.rows import Row, row
from notifier.testing.webhooks import alert, encoded, webhook

PATH = "/api/v1/alertmanager"
Drive = Callable[[int, str, Iterator[bytes], float], Awaitable[Load]]
ROUNDS = 5
SECONDS = 3.0
START_SECONDS = 30
SQLITE = "sqlite:///bench.db"
# incidents at which the memory is looked at
FEW, MANY = 20_000, 100_000
RULE = "WiltonosPhiOutOfBand"
LABELS = {"job": "wiltonos-exporter", "source": "main", "environment": "production"}
# as long as what our rules say
SAID = {
    "summary": "Φ has left its band",
    "description": "The quantum coherence ratio of wiltonos-exporter is 0.81. It should sit at "
    "0.75 ± 0.02, and has not for a minute. Watch how it moves before you steer: abrupt "
    "corrections make it worse.",
    "runbook_url": f"http://127.0.0.1:9099/runbooks/{RULE}",
    "dashboard_url": "http://127.0.0.1:3000/d/wiltonos-coherence/coherence?viewPanel=2",
    "expr": "abs(wiltonos_quantum_coherence_ratio - wiltonos_quantum_coherence_target) > 0.02",
    "value": "0.81",
}
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
        loads = asyncio.run(_measure(ports, drive))
        of_two = {name: ports[name] for name in ("bare", "ours")}
        barely = asyncio.run(_measure(of_two, drive_barely))
    ours = loads["ours"]
    yield row("notifier.accept_per_second", _rate(ours))
    yield row("notifier.accept_vs_bare", _rate(ours) / _rate(loads["bare"]))
    yield row("notifier.accept_p99_ms", _p99_ms(ours))
    for name, each in loads.items():
        if name != "ours":
            yield Row(f"notifier.{name}_per_second", _rate(each), "1/s")
            yield Row(f"notifier.{name}_p99_ms", _p99_ms(each), "ms")
    yield Row("notifier.barely_per_second", _rate(barely["ours"]), "1/s")
    yield Row("notifier.barely_vs_bare", _rate(barely["ours"]) / _rate(barely["bare"]), "ratio")
    yield Row("notifier.barely_p99_ms", _p99_ms(barely["ours"]), "ms")
    refused = sum(load.refused for load in (*ours, *barely["ours"]))
    yield Row("notifier.refused", float(refused), "webhooks")
    yield from _remembering()


def _rate(loads: Sequence[Load]) -> float:
    return median(load.per_second for load in loads)


def _p99_ms(loads: Sequence[Load]) -> float:
    return median(load.p99_seconds for load in loads) * 1000


def _remembering() -> Iterator[Row]:
    """Resident memory while incidents pile up, all of them open and waiting for both chats."""
    with tempfile.TemporaryDirectory() as directory, _notifier(Path(directory), SQLITE) as service:
        bodies, accepted, resident = _bodies(), 0, dict[int, float]()
        for mark in (FEW, MANY):
            while accepted < mark:
                load = asyncio.run(drive_barely(service.port, PATH, bodies, 1.0))
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


async def _measure(ports: dict[str, int], ask: Drive) -> dict[str, list[Load]]:
    bodies = _bodies()
    loads: dict[str, list[Load]] = {name: [] for name in ports}
    for port in ports.values():
        # connections, caches and the database's first pages
        await ask(port, PATH, bodies, SECONDS / 3)
    for _ in range(ROUNDS):
        for name, port in ports.items():
            loads[name].append(await ask(port, PATH, bodies, SECONDS))
    return loads


def _bodies() -> Iterator[bytes]:
    for number in count():
        host = f"host-{number}"
        one = alert(RULE, severity="critical", labels=LABELS | {"instance": host}, annotations=SAID)
        key = f'{{}}:{{alertname="{RULE}", instance="{host}"}}'
        group = {"alertname": RULE, "instance": host}
        common = {"commonLabels": one["labels"], "commonAnnotations": SAID}
        body = webhook(one, group_key=key, group_labels=group, **common)
        yield encoded(body)


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
