"""The real Collector, Prometheus and Alertmanager, on free ports and in a directory of the test."""

import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from benchmarks.ports import free_port
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import flags, render, rules_check
from wiltonos_otel.stack.addresses import Files, native_addresses
from wiltonos_otel.stack.ports import Ports

PROGRAMS = ("otelcol", "prometheus", "promtool", "alertmanager", "amtool")
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


def wait_until(
    condition: Callable[[], Any], seconds: float, what: str, *, pause: float = 0.1
) -> Any:
    """The first true answer of the condition; fails after ``seconds``."""
    limit = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > limit:
            pytest.fail(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)


def free_ports(names: list[str]) -> dict[str, int]:
    """A free loopback port for each name."""
    return {name: free_port() for name in names}


def get(url: str, timeout: float = 5.0) -> bytes:
    """The body of a GET."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        body: bytes = answer.read()
        return body


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        get(url, timeout=1)
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """Paths of the real programs; where they are not built yet the test is skipped."""
    found = {name: path for name in PROGRAMS if (path := rules_check.find(name))}
    missing = [name for name in PROGRAMS if name not in found]
    if missing:
        pytest.skip(f"not built yet: {', '.join(missing)}; run ./wt metrics bootstrap --native")
    return found


@dataclass
class NativeStack:
    """A running Collector, Prometheus and Alertmanager with the rendered native configuration."""

    binaries: dict[str, Path]
    directory: Path
    ports: Ports
    policy: Policy
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    # further arguments by program
    more: dict[str, list[str]] = field(default_factory=dict)
    # full URL of a place for traces
    traces: str = ""

    @property
    def prometheus_url(self) -> str:
        """Base URL of Prometheus."""
        return self.ports.url("prometheus")

    @property
    def otlp_url(self) -> str:
        """Base URL of the Collector's OTLP/HTTP receiver."""
        return self.ports.url("otlp_http")

    def write_config(self) -> None:
        """Render the configuration under the directory of the stack."""
        (self.directory / "token").write_text("a-token-of-the-tests\n", "utf-8")
        files = Files(self.directory / "queue", self.directory / "token")
        render.write(
            self.directory, render.native(self.policy, self.ports, files, traces=self.traces)
        )

    def start(self, *names: str) -> None:
        """Start the programs and wait until each is ready."""
        addresses = native_addresses(self.ports)
        arguments = {
            "alertmanager": flags.alertmanager(
                self.directory / render.ALERTMANAGER_CONFIG, self.directory / "am", addresses
            ),
            "prometheus": flags.prometheus(
                self.directory / render.PROMETHEUS_CONFIG, self.directory / "tsdb", addresses
            ),
            "otelcol": flags.collector(self.directory / render.COLLECTOR_CONFIG),
        }
        ready = {
            "alertmanager": self.ports.url("alertmanager") + "/-/ready",
            "prometheus": self.prometheus_url + "/-/ready",
            "otelcol": self.ports.url("collector_health") + "/",
        }
        for name in names or tuple(arguments):
            with (self.directory / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [self.binaries[name], *arguments[name], *self.more.get(name, ())],
                    cwd=self.directory,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            wait_until(partial(self._ready, name, ready[name]), READY_SECONDS, f"{name} to be up")

    def _ready(self, name: str, url: str) -> bool:
        if self.processes[name].poll() is not None:
            log = (self.directory / f"{name}.log").read_text("utf-8", "replace")
            pytest.fail(f"{name} ended:\n{log[-2000:]}")
        return answers(url)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a program and wait until it is gone."""
        process = self.processes.pop(name)
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End everything."""
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The result of an instant query now."""
        question = urllib.parse.urlencode({"query": expr})
        answer = json.loads(get(f"{self.prometheus_url}/api/v1/query?{question}"))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def alerts(self) -> dict[str, str]:
        """State by name of every alert that is pending or firing."""
        answer = json.loads(get(f"{self.prometheus_url}/api/v1/alerts"))
        return {each["labels"]["alertname"]: each["state"] for each in answer["data"]["alerts"]}


@contextmanager
def running_stack(
    binaries: dict[str, Path], directory: Path, policy: Policy
) -> Iterator[NativeStack]:
    """A running stack that is stopped at the end, however the end comes."""
    ports = Ports(**free_ports([each.name for each in fields(Ports)]))
    stack = NativeStack(binaries, directory, ports, policy)
    stack.write_config()
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def native_stack(
    binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NativeStack]:
    """A running stack under the default policy, shared by the tests of a module."""
    with running_stack(binaries, tmp_path_factory.mktemp("stack"), Policy()) as stack:
        yield stack


def gauge_request(
    name: str, points: Mapping[int, float], *, service: str = "a-service", instance: str = "i"
) -> bytes:
    """An OTLP request with one gauge: its values by Unix time in milliseconds."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, value in (("service.name", service), ("service.instance.id", instance)):
        attribute = resource.resource.attributes.add()
        attribute.key, attribute.value.string_value = key, value
    metric = resource.scope_metrics.add().metrics.add()
    metric.name = name
    for time_ms, phi in points.items():
        point = metric.gauge.data_points.add()
        point.time_unix_nano, point.as_double = time_ms * 1_000_000, phi
    body: bytes = request.SerializeToString()
    return body


def push(otlp_url: str, body: bytes) -> None:
    """Post an OTLP request; fails unless it is taken."""
    request = urllib.request.Request(
        f"{otlp_url}/v1/metrics", body, {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
