"""The rules on the real stack, and the way of an alert to the notifier's address."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import NativeStack, running_stack, wait_until
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.ports import LOOPBACK
from wiltonos_otel.stack.rules_coherence import PHI
from wiltonos_otel.stack.rules_model import fresh

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

PUSHER = Path(__file__).with_name("pusher.py")
# a policy with short times, so that the test is short; the promise is about the default one
BRIEF = Policy(fresh_seconds=5, rate_hold_seconds=5, band_hold_seconds=5)
GONE_SECONDS = 20
ABSENT_SECONDS = 60
# what may be said of a Φ that stood still in its band and then vanished
TRUE_OF_A_DEAD_SERVICE = {"WiltonosWatchdog", "WiltonosPhiAbsent"}


@dataclass
class Webhook:
    """A request that Alertmanager made.

    Attributes:
        path: of the URL.
        token: the header Authorization.
        body: the payload.
        at: monotonic seconds.
    """

    path: str
    token: str
    body: dict[str, Any]
    at: float


@contextmanager
def _receiver(port: int) -> Iterator[list[Webhook]]:
    """A server in the notifier's place that takes everything."""
    taken: list[Webhook] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers.get("Authorization", "")
            taken.append(Webhook(self.path, token, json.loads(body), time.monotonic()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _service(stack: NativeStack, instance: str, phi: float) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that pushes Φ."""
    process = subprocess.Popen(
        [sys.executable, str(PUSHER), stack.otlp_url, instance, str(phi)], cwd=stack.directory
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def brief_stack(
    binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NativeStack]:
    """A running stack under a policy with short times."""
    with running_stack(binaries, tmp_path_factory.mktemp("brief"), BRIEF) as stack:
        yield stack


def test_a_killed_service_is_absent_and_nothing_is_claimed_about_its_phi(
    brief_stack: NativeStack,
) -> None:
    """After kill -9 no rule sees Φ within 20 s, PhiAbsent fires within 60 s, nothing else does."""
    stack, seen = brief_stack, fresh(PHI, BRIEF.fresh_seconds)
    with _service(stack, "killed", 0.75) as service:
        wait_until(lambda: len(stack.query(f"{PHI}[1m]")), 30, "Φ in Prometheus")
        wait_until(lambda: stack.query(f"count_over_time({PHI}[1m]) > 8"), 30, "some samples")
        service.kill()
        service.wait(10)
        killed = time.monotonic()
    wait_until(lambda: not stack.query(seen), GONE_SECONDS, "the rules to see no Φ")
    claimed: set[str] = set()

    def absent() -> bool:
        firing = {name for name, state in stack.alerts().items() if state == "firing"}
        claimed.update(firing)
        return "WiltonosPhiAbsent" in firing

    wait_until(absent, ABSENT_SECONDS - (time.monotonic() - killed), "PhiAbsent", pause=0.25)
    assert claimed <= TRUE_OF_A_DEAD_SERVICE


def test_an_excursion_reaches_the_notifiers_address_with_its_token(
    brief_stack: NativeStack,
) -> None:
    """Heartbeat and alert go each to its own path, with the bearer token, at once."""
    stack = brief_stack
    with _receiver(stack.ports.notifier) as taken, _service(stack, "outside", 0.9):
        alert = wait_until(
            lambda: [
                each
                for each in taken
                if each.body["groupLabels"].get("alertname") == "WiltonosPhiOutOfBand"
            ],
            40,
            "the alert at the notifier",
        )[0]
        wait_until(lambda: any("heartbeat" in each.path for each in taken), 70, "a heartbeat")
    assert alert.path == "/api/v1/alertmanager"
    assert {each.token for each in taken} == {"Bearer a-token-of-the-tests"}
    assert alert.body["groupLabels"] == {
        "alertname": "WiltonosPhiOutOfBand",
        "job": "a-service",
        "instance": "outside",
    }
    (one,) = alert.body["alerts"]
    assert one["labels"]["severity"] == "critical"
    assert one["annotations"]["summary"] == "Φ is out of band at 0.900 on outside"
    assert one["annotations"]["runbook_url"].endswith("/runbooks/WiltonosPhiOutOfBand")
    heartbeats = [each for each in taken if each.path == "/api/v1/heartbeat"]
    assert all(each.body["groupLabels"]["alertname"] == "WiltonosWatchdog" for each in heartbeats)


def test_alertmanager_has_the_route_of_the_contract(brief_stack: NativeStack) -> None:
    """The configuration in force, as Alertmanager itself reports it."""
    url = f"{brief_stack.ports.url('alertmanager')}/api/v2/status"
    with urllib.request.urlopen(url, timeout=5) as answer:
        status = json.load(answer)
    assert "group_wait: 0s" in status["config"]["original"]
    assert status["cluster"]["status"] == "disabled"
