"""Each hop of the pipe is called ok or broken for the right reason, with the way to mend it."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from wiltonos_otel.stack import hops
from wiltonos_otel.stack.finding import Finding, Verdict
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.ports import LOOPBACK, Ports
from wiltonos_otel.stack.record import Record

NOW = 1_800_000_000.0


@dataclass
class Answers:
    """What a server on loopback answers, by path; everything else is 404.

    Attributes:
        port: where it listens.
        bodies: status and body by path.
        tokens: what came as Authorization, in order.
    """

    port: int = 0
    bodies: dict[str, tuple[int, str]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    def say(self, path: str, body: object = "", status: int = 200) -> None:
        """Answer a path."""
        self.bodies[path] = (status, body if isinstance(body, str) else json.dumps(body))


@pytest.fixture
def answers() -> Iterator[Answers]:
    """One HTTP server that stands for every part of the stack."""
    said = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.tokens.append(self.headers.get("Authorization", ""))
            status, body = said.bodies.get(urlsplit(self.path).path, (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        said.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield said
        server.shutdown()
        thread.join()


@pytest.fixture
def pipe(answers: Answers, tmp_path: Path) -> Pipe:
    """A stack whose every port is the fake's."""
    return Pipe.of(recorded(answers.port, tmp_path), lambda: NOW)


def recorded(port: int, base: Path, **more: Any) -> Record:
    """The record of a stack whose every port is the same."""
    stated: dict[str, Any] = {"mode": "native", "tokens": {}, "channels": ("ops",), **more}
    return Record(
        base=base,
        config=None,
        port_offset=0,
        ports=dict.fromkeys(Ports().by_name(), port),
        state_dir=base / "state",
        demo=False,
        **stated,
    )


def vector(*values: str) -> dict[str, Any]:
    """What Prometheus answers to an instant query."""
    result = [{"metric": {}, "value": [NOW, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def expect(finding: Finding, verdict: Verdict, words: str) -> None:
    """The verdict, the reason, and a way out where there is something to mend."""
    assert (finding.verdict, words in finding.detail) == (verdict, True), finding
    assert bool(finding.mend) == (verdict is not Verdict.OK)


@pytest.mark.parametrize(
    "check",
    [
        hops.check_exporter,
        hops.check_collector,
        hops.check_prometheus,
        hops.check_alertmanager,
        hops.check_notifier,
        hops.check_grafana,
    ],
)
def test_silent_service_is_broken(check: Callable[[Pipe], Finding], pipe: Pipe) -> None:
    """Whoever does not answer well is named with the log to look at."""
    finding = check(pipe)
    expect(finding, Verdict.BROKEN, "HTTP 404")
    assert "wt metrics logs" in finding.mend


def test_empty_state_directory_is_broken(pipe: Pipe) -> None:
    """The first hop says what it looked for."""
    expect(hops.check_state_files(pipe), Verdict.BROKEN, "holds no quantum_state.json")


def test_old_state_files_are_broken(tmp_path: Path) -> None:
    """A writer that stopped is no fault of ours, and named first."""
    record = recorded(1, tmp_path)
    file = record.state_dir / "loops" / "breath.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    old = Pipe.of(record, lambda: file.stat().st_mtime + 100)
    expect(hops.check_state_files(old), Verdict.BROKEN, "for 100 s")
    fresh = Pipe.of(record, lambda: file.stat().st_mtime + 1)
    expect(hops.check_state_files(fresh), Verdict.OK, "written 1 s ago")


def test_exporter_without_signal_is_a_note(answers: Answers, pipe: Pipe) -> None:
    """It runs and waits: that is no broken hop."""
    answers.say("/-/ready")
    answers.say("/api/v1/phi", {"phi": None})
    expect(hops.check_exporter(pipe), Verdict.NOTE, "no fresh Φ")
    answers.say("/api/v1/phi", {"phi": 0.75})
    expect(hops.check_exporter(pipe), Verdict.OK, "0.7500")


def test_services_are_asked_with_their_token(answers: Answers, tmp_path: Path) -> None:
    """In containers every service wants one."""
    (tmp_path / "token").write_text("secret\n")
    tokens = {"exporter": tmp_path / "token"}
    hops.check_exporter(Pipe.of(recorded(answers.port, tmp_path, tokens=tokens), lambda: NOW))
    assert answers.tokens == ["Bearer secret"]


@pytest.mark.parametrize("token", ["of an older stack", None])
def test_exporter_that_wants_another_token_is_not_called_without_signal(
    answers: Answers, tmp_path: Path, token: str | None
) -> None:
    """The file of the token is named, with what is wrong with it."""
    file = tmp_path / "token"
    if token:
        file.write_text(token)
    answers.say("/-/ready")
    answers.say("/api/v1/phi", status=401)
    record = recorded(answers.port, tmp_path, tokens={"exporter": file})
    finding = hops.check_exporter(Pipe.of(record, lambda: NOW))
    expect(finding, Verdict.BROKEN, "does not let us look: HTTP 401")
    why = "not the one that the exporter has" if token else "No such file"
    assert f"{file}: " in finding.mend
    assert why in finding.mend


@pytest.mark.parametrize(
    ("metrics", "verdict", "words"),
    [
        ({}, Verdict.BROKEN, "nobody has pushed"),
        ({"receiver_accepted_metric_points_total": 5}, Verdict.OK, "5 points in"),
        (
            {
                "receiver_accepted_metric_points_total": 5,
                "exporter_queue_size": 60,
                "exporter_queue_capacity": 100,
            },
            Verdict.BROKEN,
            "60% full",
        ),
        (
            {
                "receiver_accepted_metric_points_total": 5,
                "exporter_enqueue_failed_metric_points_total": 3,
            },
            Verdict.BROKEN,
            "3 points were lost",
        ),
    ],
)
def test_collector_is_judged_by_what_it_counts(
    answers: Answers, pipe: Pipe, metrics: dict[str, int], verdict: Verdict, words: str
) -> None:
    """Nothing in, a queue that fills and lost points are three different troubles."""
    answers.say("/")
    page = "".join(
        f'# TYPE otelcol_{name} gauge\notelcol_{name}{{a="b"}} {value}\n'
        for name, value in metrics.items()
    )
    answers.say("/metrics", page)
    expect(hops.check_collector(pipe), verdict, words)


def test_prometheus_without_our_series_is_broken(answers: Answers, pipe: Pipe) -> None:
    """It is up, and the trouble is before it."""
    answers.say("/-/ready")
    answers.say("/api/v1/query", vector())
    finding = hops.check_prometheus(pipe)
    expect(finding, Verdict.BROKEN, "nothing of ours arrives")
    assert "collector" in finding.mend
    answers.say("/api/v1/query", vector("0.7512"))
    expect(hops.check_prometheus(pipe), Verdict.OK, "0.7512")


def test_rare_pushes_are_named(answers: Answers, pipe: Pipe) -> None:
    """The SDK's default of 60 s breaks the derivatives; the doctor says whose it is."""
    values = [[NOW - gap, "0.75"] for gap in (180, 120, 60, 0)]
    series = {"metric": {"job": "shop", "instance": "a"}, "values": values}
    answers.say("/api/v1/query", {"status": "success", "data": {"result": [series]}})
    finding = hops.check_push_interval(pipe)
    expect(finding, Verdict.BROKEN, "shop/a every 60 s")
    assert "OTEL_METRIC_EXPORT_INTERVAL" in finding.mend


def test_rules_are_loaded_and_evaluated(answers: Answers, pipe: Pipe) -> None:
    """No rules, a rule in error and rules that work."""
    rule = {"name": "WiltonosPhiJump", "health": "ok", "state": "firing", "lastError": ""}

    def say(*rules: dict[str, str]) -> None:
        answers.say("/api/v1/rules", {"data": {"groups": [{"rules": list(rules)}]}})

    say()
    expect(hops.check_rules(pipe), Verdict.BROKEN, "none is loaded")
    say(rule, {**rule, "health": "err", "lastError": "bad join"})
    expect(hops.check_rules(pipe), Verdict.BROKEN, "WiltonosPhiJump: bad join")
    say(rule)
    expect(hops.check_rules(pipe), Verdict.OK, "firing: WiltonosPhiJump")


def test_alertmanager_must_be_known_to_prometheus(answers: Answers, pipe: Pipe) -> None:
    """Being up is not enough."""
    answers.say("/-/ready")
    answers.say("/api/v1/alertmanagers", {"data": {"activeAlertmanagers": []}})
    expect(hops.check_alertmanager(pipe), Verdict.BROKEN, "does not know it")
    answers.say("/api/v1/alertmanagers", {"data": {"activeAlertmanagers": [{"url": "x"}]}})
    expect(hops.check_alertmanager(pipe), Verdict.OK, "sends to it")


def test_silent_watchdog_breaks_the_way_to_alertmanager(answers: Answers, pipe: Pipe) -> None:
    """What always fires must have come lately."""

    def say(*updated: float) -> None:
        times = [datetime.fromtimestamp(NOW - age, UTC).isoformat() for age in updated]
        answers.say("/api/v2/alerts", [{"updatedAt": text} for text in times])

    say()
    expect(hops.check_watchdog(pipe), Verdict.BROKEN, "is not there")
    say(400, 200)
    expect(hops.check_watchdog(pipe), Verdict.BROKEN, "came 200 s ago")
    say(400, 30)
    expect(hops.check_watchdog(pipe), Verdict.OK, "came 30 s ago")


def test_watchdog_of_a_prometheus_that_has_just_started_is_waited_for(
    answers: Answers, pipe: Pipe
) -> None:
    """It fires after some seconds, and only then can it be missed."""

    def began(age: float) -> None:
        since = datetime.fromtimestamp(NOW - age, UTC).isoformat()
        rule = {"name": "WiltonosWatchdog", "health": "ok", "alerts": [{"activeAt": since}]}
        answers.say("/api/v1/rules", {"data": {"groups": [{"rules": [rule]}]}})

    answers.say("/api/v2/alerts", [])
    began(4)
    expect(hops.check_watchdog(pipe), Verdict.NOTE, "just started")
    began(20)
    expect(hops.check_watchdog(pipe), Verdict.BROKEN, "is not there")


def test_notifier_that_refuses_everything_is_broken(answers: Answers, pipe: Pipe) -> None:
    """Differing tokens show in Alertmanager's own counters."""
    answers.say("/-/ready")
    total = 'alertmanager_notifications_total{integration="webhook"} 4\n'
    failed = 'alertmanager_notifications_failed_total{integration="webhook",reason="x"} %d\n'
    answers.say("/metrics", total + failed % 4)
    finding = hops.check_notifier(pipe)
    expect(finding, Verdict.BROKEN, "all 4 messages")
    assert "tokens differ" in finding.mend
    answers.say("/metrics", total + failed % 1)
    expect(hops.check_notifier(pipe), Verdict.OK, "3 messages")


def test_dead_chat_is_named(answers: Answers, pipe: Pipe, tmp_path: Path) -> None:
    """The notifier knows which channel does not take messages."""
    answers.say("/-/ready", {"degraded": ["channel ops: invalid_auth"]})
    expect(hops.check_chats(pipe), Verdict.BROKEN, "invalid_auth")
    answers.say("/-/ready", {"degraded": []})
    expect(hops.check_chats(pipe), Verdict.OK, "ops")
    none = Pipe.of(recorded(answers.port, tmp_path, channels=()), lambda: NOW)
    expect(hops.check_chats(none), Verdict.NOTE, "none is configured")
    answers.say("/api/v1/inbox", {"channels": ["reloaded"]})
    expect(hops.check_chats(none), Verdict.OK, "reloaded")


def test_chats_of_a_notifier_that_is_down_are_not_called_well(answers: Answers, pipe: Pipe) -> None:
    """Nobody has seen them."""
    answers.say("/-/ready", "<html>", status=502)
    expect(hops.check_chats(pipe), Verdict.NOTE, "not known")


def test_waiting_ends_with_the_time_or_with_hope(pipe: Pipe) -> None:
    """Every wait is bounded, and cut short when its service does not stay up."""
    late = hops.wait_for(hops.check_exporter, pipe, 0.0, lambda: "", pause=0)
    assert "waited 0 s" in late.detail
    dead = hops.wait_for(hops.check_exporter, pipe, 60, lambda: "it fell", pause=0)
    assert dead.detail == "it fell"
