"""The exporter as a process: bad files, the last sample, and how fast it ends."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from wiltonos_otel.instruments.catalogue import CATALOGUE, DOSE_AMOUNT, DOSES
from wiltonos_service.telemetry.testing import OtlpReceiver, black_hole, otlp_receiver

WT = str(Path(sys.executable).with_name("wt"))
OURS = [row for row in CATALOGUE if row not in (DOSES, DOSE_AMOUNT)]


@dataclass
class Process:
    """A running exporter.

    Attributes:
        url: of its live page.
        state: its state directory.
        log: the file that holds what it logged.
        process: the process itself.
    """

    url: str
    state: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def samples(self) -> dict[str, float]:
        """The samples of ``/metrics`` by name with labels."""
        with urllib.request.urlopen(f"{self.url}metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def lines(self, word: str) -> list[dict[str, str]]:
        """The lines of the log with the word."""
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines() if word in line]

    def write(self, phi: float, age_seconds: float = 0) -> None:
        """Write Φ as a program would: beside, then renamed into place."""
        self.put(json.dumps({"timestamp": now() - age_seconds, "phi": phi}).encode())

    def put(self, content: bytes) -> None:
        """Replace the state file."""
        beside = self.state / "new"
        beside.write_bytes(content)
        beside.rename(self.state / "quantum_state.json")

    def seconds_to_exit(self) -> float:
        """Ask it to end; how long that took."""
        start = time.monotonic()
        self.process.terminate()
        assert self.process.wait(20) == 0
        return time.monotonic() - start


def now() -> float:
    """Unix seconds."""
    return time.time_ns() / 1e9


def wait_until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return once ``holds()`` is true; fail after a bound."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


@contextmanager
def exporter(directory: Path, endpoint: str) -> Iterator[Process]:
    """Run ``wt exporter run`` on a free port."""
    state, log = directory / "state", directory / "log"
    state.mkdir()
    command = [WT, "exporter", "run"]
    environ = {
        **os.environ,
        "WILTONOS__EXPORTER__LISTEN": "127.0.0.1:0",
        "WILTONOS__TELEMETRY__OTLP_ENDPOINT": endpoint,
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, "--state", str(state)], stderr=output, env=environ, cwd=directory
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or "exporter is up" in log.read_text())
            url = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
            assert url, log.read_text()
            yield Process(url[0], state, log, process)
        finally:
            process.terminate()


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One exporter for all bad files."""
    with (
        otlp_receiver() as receiver,
        exporter(tmp_path_factory.mktemp("exporter"), receiver.endpoint) as running,
    ):
        yield running


def put_directory(file: Path) -> None:
    """A directory in the place of the file."""
    file.unlink()
    file.mkdir()


def put_dangling_link(file: Path) -> None:
    """A link that leads nowhere."""
    file.unlink()
    file.symlink_to("nowhere")


def put_pipe(file: Path) -> None:
    """A pipe that nobody writes to: opening it would block."""
    file.unlink()
    os.mkfifo(file)


def stamped(**keys: object) -> bytes:
    """A state file of now."""
    return json.dumps({"timestamp": now(), **keys}).encode()


BAD_CONTENTS: dict[str, Callable[[], bytes]] = {
    "torn": lambda: stamped(phi=0.75)[:-5],
    "empty": lambda: b"",
    "oversized": lambda: b" " * (1 << 20) + stamped(phi=0.75),
    "not_utf8": lambda: b'{"phi": 0.75, "x": "\xff"}',
    "not_json": lambda: b"phi = 0.75",
    "wrong_type": lambda: b"[0.75]",
    "no_phi": lambda: stamped(coherence=3),
    "non_finite": lambda: b'{"phi": NaN}',
    "out_of_range": lambda: stamped(phi=1.5),
    "unknown_schema": lambda: stamped(phi=0.75, schema="wiltonos.state/9"),
    "backwards": lambda: json.dumps({"timestamp": now() - 30, "phi": 0.75}).encode(),
    "future": lambda: json.dumps({"timestamp": now() + 3600, "phi": 0.75}).encode(),
    "bad_timestamp": lambda: b'{"timestamp": "yesterday", "phi": 0.75}',
}
BAD_PLACES: dict[str, Callable[[Path], None]] = {
    "vanished": Path.unlink,
    "not_a_file": put_directory,
    "dangling_link": put_dangling_link,
}


def clear(file: Path) -> None:
    """Remove whatever is in the place of the file."""
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


def check_refused(watched: Process, reason: str, spoil: Callable[[Path], None]) -> None:
    """The last good value stays, the reason is counted and said once, and all is well after."""
    file = watched.state / "quantum_state.json"
    counter = f'wiltonos_source_errors_total{{reason="{reason}",source="state"}}'
    clear(file)
    good = round(0.74 + (time.monotonic_ns() % 997) / 1e5, 5)
    watched.write(good)
    wait_until(lambda: watched.samples().get("wiltonos_quantum_coherence_ratio") == good)
    counted = watched.samples()[counter]
    said = len(watched.lines(f'"reason": "{reason}"'))
    spoil(file)
    wait_until(lambda: watched.samples()[counter] > counted)
    assert watched.samples()["wiltonos_quantum_coherence_ratio"] == good
    assert len(watched.lines(f'"reason": "{reason}"')) == said + 1
    healed = len(watched.lines("good again"))
    clear(file)
    watched.write(good)
    wait_until(lambda: len(watched.lines("good again")) == healed + 1)


@pytest.mark.parametrize("reason", BAD_CONTENTS)
def test_bad_content_keeps_the_last_good_value(watched: Process, reason: str) -> None:
    """Whatever a careless writer leaves behind."""
    check_refused(watched, reason, lambda _file: watched.put(BAD_CONTENTS[reason]()))


@pytest.mark.parametrize("reason", BAD_PLACES)
def test_bad_place_keeps_the_last_good_value(watched: Process, reason: str) -> None:
    """Whatever is there instead of a file."""
    check_refused(watched, reason, BAD_PLACES[reason])


def test_pipe_in_the_place_of_the_file_does_not_block(watched: Process) -> None:
    """Opening a pipe waits for a writer that never comes."""
    check_refused(watched, "not_a_file", put_pipe)


def test_push_carries_names_units_and_cumulative_temporality(
    tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """What the Collector gets agrees with the catalogue, under a stable instance."""
    with exporter(tmp_path, receiver.endpoint) as running:
        running.write(0.7512)
        (running.state / "loops").mkdir()
        (running.state / "loops" / "breath.json").write_bytes(stamped(phi=0.74, collapses=1))
        got = receiver.wait_for(
            lambda got: got and "wiltonos.loop.pressure" in {m.name for m in got[-1].metrics()}, 20
        )
    rows = {row.name: row for row in OURS}
    metrics = {metric.name: metric for metric in got[-1].metrics()}
    assert got[-1].resource()["service.name"] == "wiltonos-exporter"
    assert got[-1].resource()["service.instance.id"] == os.uname().nodename
    for name in rows.keys() & metrics.keys():
        assert metrics[name].unit == rows[name].unit
        assert metrics[name].description == rows[name].description
    for name in ("wiltonos.collapse.operations", "wiltonos.source.errors"):
        assert metrics[name].sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        assert metrics[name].sum.is_monotonic
    (point,) = metrics["wiltonos.quantum_coherence.ratio"].gauge.data_points
    assert point.as_double == 0.7512


def test_last_sample_before_sigterm_is_delivered(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Written, and asked to end at once: it still arrives."""
    with exporter(tmp_path, receiver.endpoint) as running:
        running.write(0.7512)
        assert running.seconds_to_exit() < 2
    last = {metric.name: metric for metric in receiver.received[-1].metrics()}
    (point,) = last["wiltonos.quantum_coherence.ratio"].gauge.data_points
    assert point.as_double == 0.7512


def test_exporter_ends_within_two_seconds_when_the_collector_refuses(
    tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """A stopped Collector does not hold the exporter up."""
    receiver.go_away()
    with exporter(tmp_path, receiver.endpoint) as running:
        wait_until(lambda: running.lines("Connection refused"))
        assert running.seconds_to_exit() < 2
        assert len(running.lines("Connection refused")) == 1


def test_exporter_ends_within_two_seconds_when_the_collector_never_answers(
    tmp_path: Path,
) -> None:
    """Neither does one that hangs."""
    with black_hole() as endpoint, exporter(tmp_path, endpoint) as running:
        wait_until(lambda: running.lines("timed out"))
        assert running.seconds_to_exit() < 2


def test_port_in_use_is_one_line(watched: Process, tmp_path: Path) -> None:
    """It names the port and what to do."""
    address = watched.url.removeprefix("http://").rstrip("/")
    environ = {**os.environ, "WILTONOS__EXPORTER__LISTEN": address}
    command = [WT, "exporter", "run"]
    result = subprocess.run(
        command, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=30, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"wt: {address} is in use")
    assert "Traceback" not in result.stderr


def test_further_directories_are_sources_of_their_own(
    tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """Each has its attribute, its health and its own end; the first one stays as it is alone."""
    (tmp_path / "wiltonos.toml").write_text(
        """
        [[source.directories]]
        name = "lab"
        state_dir = "lab"

        [[source.directories]]
        name = "field"
        state_dir = "field"
        stale_after_seconds = 5
        """
    )
    with exporter(tmp_path, receiver.endpoint) as running:
        running.write(0.75)
        for name, phi in (("lab", 0.71), ("field", 0.72)):
            loops = tmp_path / name / "loops"
            loops.mkdir(parents=True)
            (tmp_path / name / "quantum_state.json").write_bytes(stamped(phi=phi))
            (loops / "breath.json").write_bytes(stamped(phi=phi, collapses=1))
        ratio = "wiltonos_quantum_coherence_ratio"
        # an empty label is none
        alone = f'{ratio}{{source=""}}'
        want = {alone: 0.75, f'{ratio}{{source="lab"}}': 0.71, f'{ratio}{{source="field"}}': 0.72}
        wait_until(
            lambda: {k: v for k, v in running.samples().items() if k.startswith(ratio)} == want
        )
        pressure = 'wiltonos_loop_pressure{loop="breath",source="lab"}'
        wait_until(lambda: running.samples().get(pressure) == pytest.approx(0.04))
        (tmp_path / "lab" / "quantum_state.json").write_bytes(b"{")
        torn = 'wiltonos_source_errors_total{reason="torn",source="lab"}'
        wait_until(lambda: running.samples()[torn] == 1)
        with urllib.request.urlopen(f"{running.url}api/v1/phi", timeout=10) as answer:
            page = json.load(answer)
        others = {other["name"]: other for other in page["other_sources"]}
        assert page["source"]["problems"] == []
        assert others["lab"]["errors"] == {"torn": 1}
        assert others["lab"]["problems"][0].startswith("quantum_state.json: ")
        assert others["field"]["errors"] == {}
        # five seconds after its sample the field is gone, and the others stay
        wait_until(lambda: f'{ratio}{{source="field"}}' not in running.samples())
        assert running.samples()[alone] == 0.75
