"""The pipe, hop by hop: each check says what it saw, and how to mend what is broken."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from wiltonos_otel.stack.plan import STATE_FILE
from wiltonos_otel.stack.ports import LOOPBACK
from wiltonos_otel.stack.probe import Answer, get, query
from wiltonos_otel.stack.record import Record

PHI = "last_over_time(wiltonos_quantum_coherence_ratio[15s])"
LIMITS = "last_over_time(wiltonos_soft_steer_limit[15s])"
# what Policy.fresh_seconds is by default: samples further apart make gauges come and go
FRESH_SECONDS = 15
STALE_SECONDS = 60


class Verdict(StrEnum):
    """How a hop is doing."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of one hop found.

    Attributes:
        hop: the part of the pipe.
        verdict: ok, worth a note, or broken.
        detail: what was seen, one line.
        mend: what to do about it; "" when all is well.
    """

    hop: str
    verdict: Verdict
    detail: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether data passes this hop."""
        return self.verdict is not Verdict.BROKEN


@dataclass(frozen=True, slots=True)
class Pipe:
    """A running stack, as the checks see it.

    Attributes:
        record: what bootstrap wrote down.
        now: Unix time in seconds.
    """

    record: Record
    now: Callable[[], float]

    def url(self, name: str, path: str = "") -> str:
        """Address of a listener of the stack."""
        return f"http://{LOOPBACK}:{self.record.ports[name]}{path}"

    def ask(self, name: str, path: str) -> Answer:
        """Ask one of our services, with its token where there is one."""
        return get(self.url(name, path), token=self.token(name))

    def token(self, name: str) -> str | None:
        """The bearer token of one of our services, or None."""
        file = self.record.tokens.get(name)
        try:
            return file.read_text("utf-8").strip() if file else None
        except OSError:
            return None


Check = Callable[[Pipe], Finding]


def _broken(hop: str, detail: str, mend: str) -> Finding:
    return Finding(hop, Verdict.BROKEN, detail, mend)


def _ok(hop: str, detail: str) -> Finding:
    return Finding(hop, Verdict.OK, detail)


def _down(hop: str, service: str, answer: Answer) -> Finding:
    said = answer.text.strip()[:160] if answer.status == 0 else f"HTTP {answer.status}"
    return _broken(
        hop,
        f"does not answer: {said}",
        f"see why: wt metrics logs {service}; then start it again: wt metrics bootstrap",
    )


def check_state_files(pipe: Pipe) -> Finding:
    """State files are there and were written lately."""
    directory = pipe.record.state_dir
    written = [_mtime(path) for path in (directory / STATE_FILE, *directory.glob("loops/*.json"))]
    newest = max((time_ for time_ in written if time_ is not None), default=None)
    if newest is None:
        return _broken(
            "state files",
            f"{directory} holds no {STATE_FILE} and no loops/*.json",
            "let WiltonOS write its state there, name another directory with "
            "wt metrics bootstrap --state DIR, or try simulated data: --demo",
        )
    age = pipe.now() - newest
    if age > STALE_SECONDS:
        return _broken(
            "state files",
            f"nothing was written to {directory} for {age:.0f} s",
            "start the program that writes the state again",
        )
    simulated = "simulated, " if pipe.record.demo else ""
    return _ok("state files", f"{simulated}written {max(0.0, age):.0f} s ago in {directory}")


def check_exporter(pipe: Pipe) -> Finding:
    """The exporter is up and reads Φ."""
    answer = pipe.ask("exporter", "/-/ready")
    if not answer.ok:
        return _down("exporter", "exporter", answer)
    view = pipe.ask("exporter", "/api/v1/phi").json()
    now = view.get("now", view) if isinstance(view, dict) else {}
    phi = now.get("phi")
    if phi is None:
        return Finding(
            "exporter", Verdict.NOTE, "up, no fresh Φ", "wt state check names bad state files"
        )
    return _ok("exporter", f"up, Φ = {phi:.4f}")


def check_collector(pipe: Pipe) -> Finding:
    """The Collector is up, takes points in and gets them out."""
    health = get(pipe.url("collector_health", "/"))
    if not health.ok:
        return _down("Collector", "collector", health)
    metrics = _metrics(get(pipe.url("collector_metrics", "/metrics")))
    accepted = metrics("otelcol_receiver_accepted_metric_points")
    failed = metrics("otelcol_exporter_enqueue_failed_metric_points")
    waiting, room = (
        metrics("otelcol_exporter_queue_size"),
        metrics("otelcol_exporter_queue_capacity"),
    )
    if not accepted:
        return _broken(
            "Collector",
            "up, but nobody has pushed to it",
            f"point the service at it: OTEL_EXPORTER_OTLP_ENDPOINT={pipe.url('otlp_http')}",
        )
    if failed:
        return _broken(
            "Collector",
            f"its queue is full, {failed:.0f} points were lost",
            "see why Prometheus does not take them: wt metrics logs prometheus",
        )
    if room and waiting > room / 2:
        return _broken(
            "Collector",
            f"its queue is {waiting / room:.0%} full",
            "Prometheus takes nothing in: wt metrics logs prometheus",
        )
    return _ok("Collector", f"up, {accepted:.0f} points in, queue {waiting:.0f}")


def check_prometheus(pipe: Pipe) -> Finding:
    """Prometheus is up and Φ can be queried."""
    ready = get(pipe.url("prometheus", "/-/ready"))
    if not ready.ok:
        return _down("Prometheus", "prometheus", ready)
    found = query(pipe.url("prometheus"), PHI)
    if found:
        return _ok("Prometheus", f"up, Φ = {float(found[0]['value'][1]):.4f}")
    if query(pipe.url("prometheus"), LIMITS):
        return Finding(
            "Prometheus",
            Verdict.NOTE,
            "up, the limits are there and Φ is not",
            "Φ comes with the first fresh state file",
        )
    return _broken(
        "Prometheus",
        "up, but nothing of ours arrives",
        "see what the Collector says: wt metrics logs collector",
    )


def check_limits(pipe: Pipe) -> Finding:
    """Prometheus holds what the exporter pushes, whether or not there is a Φ."""
    finding = check_prometheus(pipe)
    return _ok("Prometheus", finding.detail) if finding.verdict is Verdict.NOTE else finding


def check_phi(pipe: Pipe) -> Finding:
    """Φ can be queried; unlike in ``check_prometheus`` its absence breaks the hop."""
    finding = check_prometheus(pipe)
    if finding.verdict is not Verdict.NOTE:
        return finding
    return _broken("Prometheus", "Φ does not arrive", "run: wt metrics doctor")


def check_push_interval(pipe: Pipe) -> Finding:
    """Nobody pushes so rarely that gauges come and go; the SDK's default of 60 s does."""
    slow = []
    for series in query(pipe.url("prometheus"), "wiltonos_quantum_coherence_ratio[5m]"):
        times = [at for at, _ in series.get("values", [])]
        gaps = [after - before for before, after in pairwise(times)]
        if gaps and median(gaps) >= FRESH_SECONDS:
            labels = series.get("metric", {})
            slow.append(f"{labels.get('job')}/{labels.get('instance')} every {median(gaps):.0f} s")
    if slow:
        return _broken(
            "push interval",
            f"too rare for derivatives and alerts: {', '.join(slow)}",
            "set OTEL_METRIC_EXPORT_INTERVAL=1000 for that service",
        )
    return _ok("push interval", "every source pushes often enough")


def check_rules(pipe: Pipe) -> Finding:
    """The alert rules are loaded and can be evaluated."""
    body = get(pipe.url("prometheus", "/api/v1/rules?type=alert")).json()
    groups = body.get("data", {}).get("groups", []) if isinstance(body, dict) else []
    rules = [rule for group in groups for rule in group["rules"]]
    if not rules:
        return _broken("rules", "none is loaded", "render them again: wt metrics bootstrap")
    for rule in rules:
        if rule["health"] == "err":
            return _broken("rules", f"{rule['name']}: {rule['lastError']}", "run: wt rules check")
    firing = sorted({r["name"] for r in rules if r["state"] == "firing"})
    return _ok("rules", f"{len(rules)} loaded; firing: {', '.join(firing) or 'none'}")


def check_alertmanager(pipe: Pipe) -> Finding:
    """Alertmanager is up and Prometheus sends to it."""
    ready = get(pipe.url("alertmanager", "/-/ready"))
    if not ready.ok:
        return _down("Alertmanager", "alertmanager", ready)
    body = get(pipe.url("prometheus", "/api/v1/alertmanagers")).json()
    active = body.get("data", {}).get("activeAlertmanagers") if isinstance(body, dict) else None
    if not active:
        return _broken(
            "Alertmanager",
            "up, but Prometheus does not know it",
            "see why: wt metrics logs prometheus",
        )
    return _ok("Alertmanager", "up, Prometheus sends to it")


def check_notifier(pipe: Pipe) -> Finding:
    """The notifier is up and Alertmanager's messages reach it."""
    answer = pipe.ask("notifier", "/-/ready")
    if not answer.ok:
        return _down("notifier", "notifier", answer)
    metrics = _metrics(get(pipe.url("alertmanager", "/metrics")))
    sent = metrics("alertmanager_notifications_total", integration="webhook")
    failed = metrics("alertmanager_notifications_failed_total", integration="webhook")
    if sent and failed >= sent:
        return _broken(
            "notifier",
            f"up, but all {sent:.0f} messages of Alertmanager failed",
            "see why: wt metrics logs alertmanager (401 means that the tokens differ)",
        )
    lost = f", {failed:.0f} attempts failed" if failed else ""
    return _ok("notifier", f"up, {sent - failed:.0f} messages from Alertmanager{lost}")


def check_chats(pipe: Pipe) -> Finding:
    """The chat channels take messages."""
    body = pipe.ask("notifier", "/-/ready").json()
    degraded = body.get("degraded") if isinstance(body, dict) else None
    if degraded:
        words = degraded if isinstance(degraded, list) else [degraded]
        return _broken(
            "chat channels",
            "; ".join(str(word) for word in words)[:300],
            "wt notifier test sends to each channel; wt notifier dead-letters list",
        )
    channels = pipe.record.channels
    if not channels:
        return Finding(
            "chat channels",
            Verdict.NOTE,
            "none is configured: messages go to the inbox only",
            "add [[notifier.channels]] to wiltonos.toml, then wt metrics down and bootstrap again",
        )
    return _ok("chat channels", f"no failed delivery is known: {', '.join(channels)}")


def check_grafana(pipe: Pipe) -> Finding:
    """Grafana is up, where there is one."""
    answer = get(pipe.url("grafana", "/api/health"))
    return _ok("Grafana", "up") if answer.ok else _down("Grafana", "grafana", answer)


WALK: tuple[Check, ...] = (
    check_state_files,
    check_exporter,
    check_collector,
    check_prometheus,
    check_push_interval,
    check_rules,
    check_alertmanager,
    check_notifier,
    check_chats,
)


def walk(pipe: Pipe) -> Iterator[Finding]:
    """Check every hop from the state files to the chats, in order."""
    checks = (*WALK, check_grafana) if pipe.record.grafana else WALK
    for check in checks:
        yield check(pipe)


def wait_for(
    check: Check, pipe: Pipe, seconds: float, broken: Callable[[], str], pause: float = 0.1
) -> Finding:
    """Repeat a check until it is well, the time is over, or waiting has no point.

    Args:
        check: the hop.
        pipe: the stack.
        seconds: how long at most.
        broken: why waiting has no point any more, or "".
        pause: seconds between two tries.
    """
    deadline = time.monotonic() + seconds
    while True:
        finding = check(pipe)
        if finding.verdict is Verdict.OK:
            return finding
        if reason := broken():
            return Finding(finding.hop, Verdict.BROKEN, reason, finding.mend)
        if time.monotonic() > deadline:
            text = f"{finding.detail} (waited {seconds:.0f} s)"
            return Finding(finding.hop, Verdict.BROKEN, text, finding.mend)
        time.sleep(pause)


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _metrics(answer: Answer) -> Callable[..., float]:
    """Sums of a scraped page by sample name, with or without ``_total``."""
    # a fifth of the time that a second bootstrap takes, which does not need it
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    samples: list[Any] = []
    if answer.ok:
        samples = [
            s for family in text_string_to_metric_families(answer.text) for s in family.samples
        ]

    def total(name: str, **labels: str) -> float:
        names = (name, f"{name}_total")
        return sum(
            float(s.value)
            for s in samples
            if s.name in names and labels.items() <= s.labels.items()
        )

    return total
