"""The pipe, hop by hop: each check says what it saw, and how to mend what is broken."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from wiltonos_otel.stack.finding import Finding, Verdict, broken, note, ok
from wiltonos_otel.stack.pipe import LOCKED, Pipe
from wiltonos_otel.stack.plan import STATE_FILE
from wiltonos_otel.stack.probe import get
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.rules_pipeline import WATCHDOG, WATCHDOG_HOLD_SECONDS

PHI_SERIES = "wiltonos_quantum_coherence_ratio"
PHI = f"last_over_time({PHI_SERIES}[15s])"
_COUNTERS = ("collector_metrics", "/metrics")
LIMITS = "last_over_time(wiltonos_soft_steer_limit[15s])"
# what Policy.fresh_seconds is by default: samples further apart make gauges come and go
FRESH_SECONDS = 15
STALE_SECONDS = 60
# Prometheus says again each minute that an alert fires (--rules.alert.resend-delay)
WATCHDOG_SECONDS = 150
# from the first evaluation at which an alert fires to Alertmanager
SENT_SECONDS = 3

Check = Callable[[Pipe], Finding]


def check_state_files(pipe: Pipe) -> Finding:
    """State files are there and were written lately."""
    record = _record(pipe)
    directory = record.state_dir
    written = [_mtime(path) for path in (directory / STATE_FILE, *directory.glob("loops/*.json"))]
    newest = max((time_ for time_ in written if time_ is not None), default=None)
    if newest is None:
        return broken(
            "state files",
            f"{directory} holds no {STATE_FILE} and no loops/*.json",
            "let WiltonOS write its state there, name another directory with "
            "wt metrics bootstrap --state DIR, or try simulated data: --demo",
        )
    age = pipe.now() - newest
    if age > STALE_SECONDS:
        return broken(
            "state files",
            f"nothing was written to {directory} for {age:.0f} s",
            "start the program that writes the state again",
        )
    simulated = "simulated, " if record.demo else ""
    return ok("state files", f"{simulated}written {max(0.0, age):.0f} s ago in {directory}")


def check_exporter(pipe: Pipe) -> Finding:
    """The exporter is up and reads Φ."""
    answer = pipe.ask("exporter", "/-/ready")
    if not answer.ok:
        return pipe.down("exporter", "exporter", answer)
    seen = pipe.ask("exporter", "/api/v1/phi")
    if seen.status in LOCKED:
        return pipe.locked("exporter", "exporter", seen)
    view = seen.json()
    now = view.get("now", view) if isinstance(view, dict) else {}
    phi = now.get("phi")
    if phi is None:
        return note("exporter", "up, no fresh Φ", "wt state check names bad state files")
    return ok("exporter", f"up, Φ = {phi:.4f}")


def check_collector(pipe: Pipe) -> Finding:
    """The Collector is up, takes points in and gets them out."""
    asked = ("collector_health", "/") if pipe.has("collector_health") else _COUNTERS
    answer = get(pipe.url(*asked))
    if not answer.ok:
        return pipe.down("Collector", "collector", answer)
    own = pipe.counters("collector_metrics")
    accepted = own.total("otelcol_receiver_accepted_metric_points")
    failed = own.total("otelcol_exporter_enqueue_failed_metric_points")
    waiting = own.total("otelcol_exporter_queue_size")
    room = own.total("otelcol_exporter_queue_capacity")
    if not accepted:
        return (broken if pipe.record else note)(
            "Collector",
            "up, but nobody has pushed to it",
            "point the service at it with OTEL_EXPORTER_OTLP_ENDPOINT"
            + (f"={pipe.url('otlp_http')}" if pipe.has("otlp_http") else ""),
        )
    if failed:
        return broken(
            "Collector",
            f"its queue is full, {failed:.0f} points were lost",
            f"see why Prometheus does not take them: {pipe.log('prometheus')}",
        )
    if room and waiting > room / 2:
        return broken(
            "Collector",
            f"its queue is {waiting / room:.0%} full",
            f"Prometheus takes nothing in: {pipe.log('prometheus')}",
        )
    return ok("Collector", f"up, {accepted:.0f} points in, queue {waiting:.0f}")


def check_prometheus(pipe: Pipe) -> Finding:
    """Prometheus is up and Φ can be queried."""
    ready = get(pipe.url("prometheus", "/-/ready"))
    if not ready.ok:
        return pipe.down("Prometheus", "prometheus", ready)
    found = pipe.query(PHI)
    if found:
        return ok("Prometheus", f"up, Φ = {float(found[0]['value'][1]):.4f}")
    if pipe.record is None:
        return ok("Prometheus", "up")
    if pipe.query(LIMITS):
        return note(
            "Prometheus",
            "up, the limits are there and Φ is not",
            "Φ comes with the first fresh state file",
        )
    return broken(
        "Prometheus",
        "up, but nothing of ours arrives",
        f"see what the Collector says: {pipe.log('collector')}",
    )


def check_limits(pipe: Pipe) -> Finding:
    """Prometheus holds what the exporter pushes, whether or not there is a Φ."""
    finding = check_prometheus(pipe)
    return ok("Prometheus", finding.detail) if finding.verdict is Verdict.NOTE else finding


def check_phi(pipe: Pipe) -> Finding:
    """Φ can be queried; unlike in ``check_prometheus`` its absence breaks the hop."""
    finding = check_prometheus(pipe)
    if finding.verdict is not Verdict.NOTE:
        return finding
    return broken("Prometheus", "Φ does not arrive", "run: wt metrics doctor")


def check_push_interval(pipe: Pipe) -> Finding:
    """Nobody pushes so rarely that gauges come and go; the SDK's default of 60 s does."""
    slow = []
    for series in pipe.query(f"{PHI_SERIES}[5m]"):
        times = [at for at, _ in series.get("values", [])]
        gaps = [after - before for before, after in pairwise(times)]
        if gaps and median(gaps) >= FRESH_SECONDS:
            labels = series.get("metric", {})
            slow.append(f"{labels.get('job')}/{labels.get('instance')} every {median(gaps):.0f} s")
    if slow:
        return broken(
            "push interval",
            f"too rare for derivatives and alerts: {', '.join(slow)}",
            "set OTEL_METRIC_EXPORT_INTERVAL=1000 for that service",
        )
    return ok("push interval", "every source pushes often enough")


def check_rules(pipe: Pipe) -> Finding:
    """The alert rules are loaded and can be evaluated."""
    rules = _alert_rules(pipe)
    if not rules:
        return broken("rules", "none is loaded", "render them again: wt metrics bootstrap")
    for rule in rules:
        if rule["health"] == "err":
            return broken("rules", f"{rule['name']}: {rule['lastError']}", "run: wt rules check")
    firing = sorted({r["name"] for r in rules if r["state"] == "firing"})
    return ok("rules", f"{len(rules)} loaded; firing: {', '.join(firing) or 'none'}")


def check_alertmanager(pipe: Pipe) -> Finding:
    """Alertmanager is up and Prometheus sends to it."""
    ready = get(pipe.url("alertmanager", "/-/ready"))
    if not ready.ok:
        return pipe.down("Alertmanager", "alertmanager", ready)
    if not pipe.has("prometheus"):
        return ok("Alertmanager", "up")
    body = get(pipe.url("prometheus", "/api/v1/alertmanagers")).json()
    active = body.get("data", {}).get("activeAlertmanagers") if isinstance(body, dict) else None
    if not active:
        return broken(
            "Alertmanager",
            "up, but Prometheus does not know it",
            f"see why: {pipe.log('prometheus')}",
        )
    return ok("Alertmanager", "up, Prometheus sends to it")


def check_watchdog(pipe: Pipe) -> Finding:
    """The alert that always fires has reached Alertmanager lately."""
    hop = "Prometheus → Alertmanager"
    fires = _fires(pipe)
    question = urlencode({"filter": f'alertname="{WATCHDOG}"'})
    alerts = get(pipe.url("alertmanager", f"/api/v2/alerts?{question}")).json()
    seen = [_instant(alert["updatedAt"]) for alert in alerts] if isinstance(alerts, list) else []
    if not seen and not fires:
        return note(hop, "Prometheus has just started", "wt metrics doctor again in a few seconds")
    if not seen:
        return broken(
            hop,
            "the Watchdog, which always fires, is not there",
            f"see why: {pipe.log('prometheus')}",
        )
    age = max(0.0, pipe.now() - max(seen))
    if age > WATCHDOG_SECONDS:
        return broken(
            hop, f"the Watchdog came {age:.0f} s ago", f"see why: {pipe.log('prometheus')}"
        )
    return ok(hop, f"the Watchdog came {age:.0f} s ago")


def _fires(pipe: Pipe) -> bool:
    """Whether the Watchdog has fired for long enough to be in Alertmanager; True if unknown."""
    began = [
        _instant(alert["activeAt"])
        for rule in _alert_rules(pipe)
        if rule["name"] == WATCHDOG
        for alert in rule.get("alerts", ())
    ]
    return not began or pipe.now() - min(began) > WATCHDOG_HOLD_SECONDS + SENT_SECONDS


def _alert_rules(pipe: Pipe) -> list[Any]:
    body = get(pipe.url("prometheus", "/api/v1/rules?type=alert")).json()
    groups = body.get("data", {}).get("groups", []) if isinstance(body, dict) else []
    return [rule for group in groups for rule in group["rules"]]


def check_notifier(pipe: Pipe) -> Finding:
    """The notifier is up and Alertmanager's messages reach it."""
    answer = pipe.ask("notifier", "/-/ready")
    if not answer.ok:
        return pipe.down("notifier", "notifier", answer)
    own = pipe.counters("alertmanager")
    sent = own.total("alertmanager_notifications_total", integration="webhook")
    failed = own.total("alertmanager_notifications_failed_total", integration="webhook")
    if sent and failed >= sent:
        return broken(
            "notifier",
            f"up, but all {sent:.0f} messages of Alertmanager failed",
            f"see why: {pipe.log('alertmanager')} (401 means that the tokens differ)",
        )
    lost = f", {failed:.0f} attempts failed" if failed else ""
    return ok("notifier", f"up, {sent - failed:.0f} messages from Alertmanager{lost}")


def check_chats(pipe: Pipe) -> Finding:
    """The chat channels take messages."""
    body = pipe.ask("notifier", "/-/ready").json()
    if not isinstance(body, dict):
        return note(
            "chat channels", "not known: the notifier does not say", "mend the notifier first"
        )
    if degraded := body.get("degraded"):
        words = degraded if isinstance(degraded, list) else [degraded]
        return broken(
            "chat channels",
            "; ".join(str(word) for word in words)[:300],
            "wt notifier test sends to each channel; wt notifier dead-letters list",
        )
    if pipe.record is None:
        return ok("chat channels", "no failed delivery is known")
    # those that a reload has brought as well
    told = pipe.ask("notifier", "/api/v1/inbox?limit=1").json()
    channels = told.get("channels") if isinstance(told, dict) else pipe.record.channels
    if not channels:
        return note(
            "chat channels",
            "none is configured: messages go to the inbox only",
            "add [[notifier.channels]] to wiltonos.toml, then wt notifier reload",
        )
    return ok("chat channels", f"no failed delivery is known: {', '.join(channels)}")


def check_grafana(pipe: Pipe) -> Finding:
    """Grafana is up, where there is one."""
    answer = get(pipe.url("grafana", "/api/health"))
    return ok("Grafana", "up") if answer.ok else pipe.down("Grafana", "grafana", answer)


@dataclass(frozen=True, slots=True)
class Hop:
    """A check, and the listeners whose addresses it needs."""

    check: Check
    needs: tuple[str, ...]
    ours: bool = False


WALK: tuple[Hop, ...] = (
    Hop(check_state_files, (), ours=True),
    Hop(check_exporter, ("exporter",), ours=True),
    Hop(check_collector, ("collector_metrics",)),
    Hop(check_prometheus, ("prometheus",)),
    Hop(check_push_interval, ("prometheus",), ours=True),
    Hop(check_rules, ("prometheus",), ours=True),
    Hop(check_alertmanager, ("alertmanager",)),
    Hop(check_watchdog, ("prometheus", "alertmanager"), ours=True),
    Hop(check_notifier, ("notifier",)),
    Hop(check_chats, ("notifier",)),
)
_GRAFANA = Hop(check_grafana, ("grafana",), ours=True)


def walk(pipe: Pipe) -> Iterator[Finding]:
    """Check every hop of which the addresses are known, from the state files to the chats."""
    grafana = (_GRAFANA,) if pipe.record and pipe.record.grafana else ()
    for hop in (*WALK, *grafana):
        if all(map(pipe.has, hop.needs)) and (pipe.record or not hop.ours):
            yield hop.check(pipe)


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


def _record(pipe: Pipe) -> Record:
    assert pipe.record is not None
    return pipe.record


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
