"""The examples: each runs as a process of its own, and its points arrive."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.ports import free_port
from notifier.cli import notifier
from wiltonos_otel.stack import rules_check
from wiltonos_service.telemetry.testing import OtlpReceiver, Received, otlp_receiver

EXAMPLES = Path(__file__).parent.parent / "examples"
RATIO = "wiltonos.quantum_coherence.ratio"
SECRETS = {
    "notifier_token": "token",
    "alive_url": "https://alive.example/ping/1",
    "slack_bot_token": "xoxb-1-example",
    "slack_webhook_url": "https://hooks.slack.example/services/T0/B0/x",
    "discord_webhook_url": "https://discord.example/api/webhooks/1/x",
}
STARTED_SECONDS = 30.0
ENDED_SECONDS = 30.0


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A Collector that takes everything."""
    with otlp_receiver() as running:
        yield running


@pytest.mark.parametrize(
    ("example", "metrics"),
    [
        ("script.py", {RATIO, "wiltonos.loop.pressure", "wiltonos.collapse.operations"}),
        ("notebook.py", {RATIO}),
        ("worker_fork.py", {RATIO, "wiltonos.loop.quantum_coherence"}),
    ],
)
def test_a_program_that_ends_delivers(
    receiver: OtlpReceiver, example: str, metrics: set[str]
) -> None:
    """What it set last is with the Collector when the process has ended."""
    with _running(receiver, [example]) as process:
        assert process.wait(ENDED_SECONDS) == 0
    assert metrics <= _names(receiver.received)


def test_forked_workers_do_not_share_an_instance(receiver: OtlpReceiver) -> None:
    """Each place in the pool is an instance of its own: no worker overwrites another."""
    with _running(receiver, ["worker_fork.py"]) as process:
        assert process.wait(ENDED_SECONDS) == 0
    host = socket.gethostname()
    assert _instances(receiver.received) == {f"{host}:0", f"{host}:1"}


@pytest.mark.parametrize("example", ["aiohttp_service.py", "fastapi_service.py"])
def test_a_service_delivers_when_it_is_asked_to_end(receiver: OtlpReceiver, example: str) -> None:
    """SIGTERM right after a request loses nothing."""
    port = free_port()
    with _running(receiver, [example], PORT=str(port)) as process:
        assert b"taken" in _get(f"http://127.0.0.1:{port}/order", process)
        process.send_signal(signal.SIGTERM)
        process.wait(ENDED_SECONDS)
    assert RATIO in _names(receiver.received)


def test_gunicorn_workers_deliver_and_do_not_share_an_instance(receiver: OtlpReceiver) -> None:
    """Every worker that answered has delivered under the instance of its place."""
    port = free_port()
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "-b", f"127.0.0.1:{port}"]
    command += ["app:application"]
    url = f"http://127.0.0.1:{port}/"
    with _running(receiver, command, directory=EXAMPLES / "gunicorn_fork") as process:
        answered = {_get(url, process)}
        deadline = time.monotonic() + STARTED_SECONDS
        while len(answered) < 2 and time.monotonic() < deadline:
            answered.add(_get(url, process))
        process.send_signal(signal.SIGTERM)
        assert process.wait(ENDED_SECONDS) == 0
    host = socket.gethostname()
    with_phi = [each for each in receiver.received if RATIO in _names([each])]
    assert len(_instances(with_phi)) == len(answered)
    assert _instances(with_phi) <= {f"{host}:0", f"{host}:1"}


@pytest.mark.parametrize("name", ["slack-bot", "slack-webhook", "discord", "both"])
def test_a_configuration_of_the_notifier_is_right(tmp_path: Path, name: str) -> None:
    """With its secrets in place, the notifier takes it as it is."""
    shutil.copytree(EXAMPLES / "notifier", tmp_path, dirs_exist_ok=True)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for file, text in SECRETS.items():
        (secrets / file).write_text(text, "utf-8")
        (secrets / file).chmod(0o600)
    result = CliRunner().invoke(
        notifier, ["check-config", "--config", str(tmp_path / f"{name}.toml")]
    )
    assert result.exit_code == 0, (result.output, result.exception)


def test_alertmanager_takes_its_configuration() -> None:
    """The real amtool accepts it."""
    amtool = rules_check.find("amtool")
    if amtool is None:
        pytest.skip("amtool is not built yet: wt metrics build")
    done = subprocess.run(
        [amtool, "check-config", EXAMPLES / "notifier" / "alertmanager.yml"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(
    receiver: OtlpReceiver, command: Sequence[str], directory: Path = EXAMPLES, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that pushes to the receiver, and is gone at the end of the block."""
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=directory,
        env={**os.environ, **told, **variables},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _get(url: str, process: subprocess.Popen[bytes]) -> bytes:
    """What the service answers, once it listens."""
    deadline = time.monotonic() + STARTED_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "it ended"
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _names(received: Sequence[Received]) -> set[str]:
    """The metrics that have a point."""
    return {
        metric.name
        for each in received
        for metric in each.metrics()
        if metric.gauge.data_points or metric.sum.data_points
    }


def _instances(received: Sequence[Received]) -> set[str]:
    return {each.resource()["service.instance.id"] for each in received}
