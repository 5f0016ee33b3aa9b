"""The doctor on the real stack: each hop broken in turn, and services that should be set otherwise.

One stack is shared; a test that breaks a hop mends it again.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.stack.conftest import (
    NativeStack,
    answers,
    free_ports,
    gauge_request,
    push,
    running_stack,
    wait_until,
)
from wiltonos_otel.instruments.catalogue import COHERENCE_RATIO, COLLAPSES, LOOP_PRESSURE
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.doctor import Site, Wanted, examine, first_broken, pipe_at
from wiltonos_otel.stack.finding import Finding, Verdict
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.ports import LOOPBACK

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

WT = Path(sys.executable).with_name("wt")
NAME = COHERENCE_RATIO.name
SECONDS = 5.0


@dataclass
class Clinic:
    """A whole pipe: the real three, our notifier, and a fake chat behind it.

    Attributes:
        stack: Collector, Prometheus and Alertmanager.
        pipe: the same, as the doctor sees it.
        notifier: its process.
        chat: the process of the fakes.
    """

    stack: NativeStack
    pipe: Pipe
    notifier: subprocess.Popen[bytes]
    chat: subprocess.Popen[str]

    def findings(self, **wanted: object) -> dict[str, Finding]:
        """The newest finding of each hop."""
        asked = replace(Wanted(alert=True, seconds=SECONDS), **wanted)  # type: ignore[arg-type]
        return {finding.hop: finding for finding in examine(self.pipe, asked)}

    def start_notifier(self) -> None:
        """Start it, and wait until it answers."""
        config = self.stack.directory / "wiltonos.toml"
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("WILTONOS", "OTEL"))}
        with (self.stack.directory / "notifier.log").open("ab") as log:
            self.notifier = subprocess.Popen(
                [WT, "notifier", "run", "--config", config], stdout=log, stderr=log, env=environ
            )
        url = self.pipe.url("notifier", "/-/ready")
        wait_until(lambda: answers(url), 30, "the notifier to be up")

    def end_notifier(self) -> None:
        """Kill it."""
        self.notifier.kill()
        self.notifier.wait(10)


def _fakes() -> tuple[subprocess.Popen[str], str]:
    ports = free_ports(["slack", "discord"])
    words = ["--slack-port", str(ports["slack"]), "--discord-port", str(ports["discord"])]
    process = subprocess.Popen([WT, "notifier", "fakes", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("url = ") and "/api/webhooks/" in line:
            return process, line.partition("url = ")[2].strip().strip('"')
    pytest.fail("the fakes did not start")


@pytest.fixture(scope="module")
def clinic(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A healthy pipe."""
    directory = tmp_path_factory.mktemp("doctor")
    chat, webhook = _fakes()
    with running_stack(binaries, directory, Policy()) as stack:
        (directory / "wiltonos.toml").write_text(f"""
[telemetry]
otlp_endpoint = "{stack.otlp_url}"

[notifier]
listen = "{LOOPBACK}:{stack.ports.notifier}"
bearer_token_file = "token"
alertmanager_url = "{stack.ports.url("alertmanager")}"
database = "sqlite:///notifier.db"

[[notifier.channels]]
name = "ops"
kind = "discord_webhook"
url = "{webhook}"
""")
        pipe = pipe_at(_site(stack), {})
        assert pipe is not None
        clinic = Clinic(stack, pipe, chat, chat)  # type: ignore[arg-type]
        try:
            clinic.start_notifier()
            yield clinic
        finally:
            clinic.end_notifier()
            chat.kill()
            chat.communicate(timeout=10)


def _site(stack: NativeStack) -> Site:
    return Site(
        otlp_endpoint=stack.otlp_url,
        collector_metrics_url=stack.ports.url("collector_metrics"),
        prometheus_url=stack.prometheus_url,
        alertmanager_url=stack.ports.url("alertmanager"),
        notifier_url=stack.ports.url("notifier"),
        notifier_token_file=stack.directory / "token",
    )


@contextmanager
def without(clinic: Clinic, name: str) -> Iterator[None]:
    """The pipe while a program of the stack is gone."""
    clinic.stack.kill(name)
    try:
        yield
    finally:
        clinic.stack.start(name)


def test_marked_probes_pass_a_healthy_pipe_and_nobody_is_told(clinic: Clinic) -> None:
    """A point and an alert go all the way; no incident is opened for them."""
    found = clinic.findings()
    assert not [finding for finding in found.values() if finding.verdict is Verdict.BROKEN]
    for hop in ("SDK → Collector", "Collector → Prometheus", "names", "Alertmanager → notifier"):
        assert found[hop].verdict is Verdict.OK, found[hop]
    clocks = found["clocks"].detail
    assert all(part in clocks for part in ("Collector", "Prometheus", "Alertmanager", "notifier"))
    assert clinic.pipe.ask("notifier", "/api/v1/incidents").json()["incidents"] == []


def test_chat_shows_a_test_and_its_end(clinic: Clinic) -> None:
    """On request the chats are told, and the message says that it is over."""
    found = list(examine(clinic.pipe, Wanted(chat=True, seconds=SECONDS)))
    told = [finding.detail for finding in found if finding.hop == "notifier → ops"]
    assert told == ["shows it firing", "shows it resolved"]


def test_dead_collector_is_where_points_are_lost(clinic: Clinic) -> None:
    """The hop, the address and the way out."""
    with without(clinic, "otelcol"):
        found = clinic.findings()
    lost = found["SDK → Collector"]
    assert lost.verdict is Verdict.BROKEN
    assert clinic.stack.otlp_url in lost.detail
    assert "OTLP/HTTP port" in lost.mend
    assert "Collector → Prometheus" not in found


def test_dead_prometheus_is_where_points_are_lost(clinic: Clinic) -> None:
    """The Collector takes the point and keeps it: its own counter is the evidence."""
    with without(clinic, "prometheus"):
        found = clinic.findings()
    assert found["SDK → Collector"].verdict is Verdict.OK
    lost = found["Collector → Prometheus"]
    assert lost.verdict is Verdict.BROKEN
    assert "Prometheus does not answer" in lost.detail


def test_dead_alertmanager_is_named(clinic: Clinic) -> None:
    """Metrics pass, alerts do not."""
    with without(clinic, "alertmanager"):
        found = clinic.findings()
    assert found["Collector → Prometheus"].verdict is Verdict.OK
    assert found["Alertmanager"].verdict is Verdict.BROKEN
    assert "takes no alert" in found["Alertmanager → notifier"].detail


def test_dead_notifier_is_named(clinic: Clinic) -> None:
    """Alertmanager is up, and what it sends is taken by nobody."""
    clinic.end_notifier()
    try:
        found = clinic.findings()
    finally:
        clinic.start_notifier()
    assert found["Alertmanager"].verdict is Verdict.OK
    assert found["notifier"].verdict is Verdict.BROKEN
    assert "does not answer" in found["Alertmanager → notifier"].detail


def test_wrong_token_is_named(clinic: Clinic) -> None:
    """Alertmanager's own counter shows the refusal at once; nobody waits for the bound."""
    token = clinic.stack.directory / "token"
    right = token.read_text()
    elsewhere = clinic.stack.directory / "prometheus" / "alertmanager.yml"
    text = elsewhere.read_text()
    (clinic.stack.directory / "wrong").write_text("another\n")
    elsewhere.write_text(text.replace(str(token), str(clinic.stack.directory / "wrong")))
    try:
        with without(clinic, "alertmanager"):
            pass
        began = time.monotonic()
        found = clinic.findings(seconds=60.0)
        assert time.monotonic() - began < 30
    finally:
        elsewhere.write_text(text)
        with without(clinic, "alertmanager"):
            pass
    assert token.read_text() == right
    lost = found["Alertmanager → notifier"]
    assert lost.verdict is Verdict.BROKEN
    assert "refused" in lost.detail
    assert "tokens differ" in lost.mend


def test_dead_chat_is_named(clinic: Clinic) -> None:
    """The notifier takes the alert; the finding says which channel does not show it, and why."""
    clinic.chat.kill()
    clinic.chat.wait(10)
    found = clinic.findings(chat=True, seconds=3.0)
    assert found["Alertmanager → notifier"].verdict is Verdict.OK
    lost = found["notifier → ops"]
    assert lost.verdict is Verdict.BROKEN
    assert "pending" in lost.detail


def test_command_exits_1_and_names_the_hop(clinic: Clinic) -> None:
    """Against addresses that were named, without a record."""
    site = [
        "--otlp-endpoint",
        "http://127.0.0.1:9",
        "--prometheus-url",
        clinic.stack.prometheus_url,
    ]
    done = subprocess.run(
        [WT, "metrics", "doctor", *site, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    body = json.loads(done.stdout)
    assert body["broken"] == "SDK → Collector"
    assert {"hop", "verdict", "detail", "mend"} == set(body["hops"][0])


def _at(*ages: float) -> dict[int, float]:
    """Points of so many seconds ago, by Unix milliseconds."""
    now = time.time_ns() // 1_000_000
    return {now - round(age * 1000): 0.75 for age in ages}


def _pushed(clinic: Clinic, service: str, ages: list[float], instance: str = "i") -> None:
    body = gauge_request(NAME, _at(*ages), service=service, instance=instance)
    push(clinic.stack.otlp_url, body)
    selector = f'last_over_time({COHERENCE_RATIO.series}{{job="{service}"}}[20m])'
    at = time.time() + 600  # noqa: TID251 - Prometheus' clock
    wait_until(lambda: clinic.pipe.query(selector, at), 10, "the service's points")


def _of(clinic: Clinic, service: str, hop: str, **wanted: object) -> Finding:
    found = clinic.findings(service=service, probes=False, **wanted)
    return found[f"{service}: {hop}"]


def test_service_that_pushes_each_minute_is_told_to_push_more(clinic: Clinic) -> None:
    """The SDK's default of 60 s breaks the derivatives."""
    _pushed(clinic, "minutely", [180.0, 120.0, 60.0, 0.0])
    found = _of(clinic, "minutely", "push interval")
    assert found.verdict is Verdict.BROKEN
    assert "i every 60 s" in found.detail
    assert "OTEL_METRIC_EXPORT_INTERVAL=1000" in found.mend


def test_service_with_a_late_clock_is_named(clinic: Clinic) -> None:
    """Its points are old, and go on."""
    _pushed(clinic, "late", [float(age) for age in range(64, 59, -1)])
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(0.2):
            push(clinic.stack.otlp_url, gauge_request(NAME, _at(50.0), service="late"))

    pushing = threading.Thread(target=go_on)
    pushing.start()
    try:
        found = _of(clinic, "late", "timestamps")
    finally:
        ended.set()
        pushing.join()
    assert found.verdict is Verdict.BROKEN
    assert re.search(r"i is [56]\d s behind", found.detail)


def test_service_that_fell_silent_is_not_told_to_set_its_clock(clinic: Clinic) -> None:
    """Its points are old, and do not go on."""
    _pushed(clinic, "silent", [float(age) for age in range(70, 59, -1)])
    found = _of(clinic, "silent", "timestamps")
    assert found.verdict is Verdict.BROKEN
    assert re.search(r"pushed nothing for 6\d s", found.detail)


def test_service_with_a_clock_ahead_is_named(clinic: Clinic) -> None:
    """Prometheus takes points of the future, and no rule sees them."""
    _pushed(clinic, "ahead", [-300.0 - n for n in range(3)])
    found = _of(clinic, "ahead", "timestamps")
    assert found.verdict is Verdict.BROKEN
    assert re.search(r"i is 30\d s ahead", found.detail)


def test_two_processes_with_one_instance_id_are_seen(clinic: Clinic) -> None:
    """Each pushes steadily, so that together their gaps are uneven."""
    ages = [n + phase for n in range(12) for phase in (0.0, 0.3)]
    _pushed(clinic, "twins", sorted(ages, reverse=True))
    found = _of(clinic, "twins", "instances")
    assert found.verdict is Verdict.BROKEN
    assert "2 processes" in found.detail


def test_restart_under_a_made_up_id_is_a_note_and_no_silence(clinic: Clinic) -> None:
    """The SDK makes up an id at each start: who had the old one did not fall silent."""
    old, new = str(uuid4()), str(uuid4())
    _pushed(clinic, "reborn", [float(age) for age in range(70, 59, -1)], old)
    _pushed(clinic, "reborn", [float(age) for age in range(12, -1, -1)], new)
    found = _of(clinic, "reborn", "instances")
    assert found.verdict is Verdict.NOTE
    assert f"{old} ended, {new} began" in found.detail
    assert "service.instance.id=$(hostname)" in found.mend
    assert _of(clinic, "reborn", "timestamps").ok


def test_foreign_names_and_overflow_are_named(clinic: Clinic) -> None:
    """Unit "1" makes Prometheus add a suffix that no rule looks for."""
    request = ExportMetricsServiceRequest()
    request.ParseFromString(gauge_request(LOOP_PRESSURE.name, _at(1.0), service="foreign"))
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.unit = "1"
    overflow = metric.gauge.data_points[0].attributes.add()
    overflow.key, overflow.value.bool_value = "otel.metric.overflow", True
    push(clinic.stack.otlp_url, request.SerializeToString())
    wait_until(
        lambda: clinic.stack.query(f'{LOOP_PRESSURE.series}_ratio{{job="foreign"}}'), 10, "it"
    )
    names = _of(clinic, "foreign", "names")
    assert names.verdict is Verdict.BROKEN
    assert f"{LOOP_PRESSURE.series}_ratio should be {LOOP_PRESSURE.series}" in names.detail
    assert '"{ratio}"' in names.mend
    assert _of(clinic, "foreign", "attribute overflow").verdict is Verdict.BROKEN
    anybody = clinic.findings(probes=False)["attribute overflow"]
    assert f"{LOOP_PRESSURE.series}_ratio" in anybody.detail


def test_delta_service_is_told_the_setting(clinic: Clinic) -> None:
    """Prometheus refuses all that comes with a delta sum, so that nothing of it arrives."""
    exporter = OTLPMetricExporter(
        f"{clinic.stack.otlp_url}/v1/metrics",
        preferred_temporality={Counter: AggregationTemporality.DELTA},
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=500)
    provider = MeterProvider([reader], Resource({"service.name": "delta"}))
    meter = provider.get_meter("delta")
    counter = meter.create_counter(COLLAPSES.name, COLLAPSES.unit)
    meter.create_observable_gauge(NAME, [_counting(lambda: counter.add(1, {"loop": "x"}))])
    try:
        found = _of(clinic, "delta", "temporality", seconds=10.0)
    finally:
        provider.shutdown()
    assert found.verdict is Verdict.BROKEN
    assert "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative" in found.mend
    # Prometheus learns of it by its next scrape of the Collector, and then whoever asks does
    refused = wait_until(
        lambda: (
            (seen := clinic.findings(probes=False)["refused points"]).verdict is Verdict.NOTE
            and seen
        ),
        10,
        "the scrape",
    )
    assert "--service NAME" in refused.mend


def _counting(count: Callable[[], None]) -> Callable[[CallbackOptions], list[Observation]]:
    """A gauge whose every reading makes the counter count, so that each push has a delta."""

    def observe(_: CallbackOptions) -> list[Observation]:
        count()
        return [Observation(0.75)]

    return observe


def test_unknown_service_gets_a_suggestion(clinic: Clinic) -> None:
    """A slip of the pen is seen as one."""
    _pushed(clinic, "checkout", [0.0])
    found = _of(clinic, "chekout", "series", seconds=0.1)
    assert "did you mean checkout?" in found.detail
    assert "OTEL_SERVICE_NAME=chekout" in found.mend


def test_first_broken_is_the_one_before_its_consequences() -> None:
    """Findings come in the order of the pipe."""
    ok, bad = Finding("a", Verdict.OK, ""), Finding("b", Verdict.BROKEN, "")
    assert first_broken([ok, bad, replace(bad, hop="c")]) == bad
    assert first_broken([ok]) is None
