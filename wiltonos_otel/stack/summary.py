"""What bootstrap ends with: one table of addresses, and what to try next."""

import os
from pathlib import Path

from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.plan import has_state
from wiltonos_otel.stack.ports import LOOPBACK
from wiltonos_otel.stack.record import Record

# services whose pages let a browser sign in
_PAGES = {"notifier": "inbox", "exporter": "live page"}


def addresses(record: Record) -> list[tuple[str, str, str]]:
    """Name, URL and purpose of everything that a person or a program may call."""
    rows = [
        ("live page", _url(record, "exporter"), "Φ now and in the last 10 minutes"),
        ("metrics", _url(record, "exporter", "metrics"), "for a Prometheus of yours"),
        ("inbox", _url(record, "notifier"), "alerts and their messages"),
        ("diary", _url(record, "longevity", "longevity/doses"), "doses"),
        ("Prometheus", _url(record, "prometheus"), "queries, rules, alerts"),
        ("Alertmanager", _url(record, "alertmanager"), "routing and silences"),
        ("OTLP", _url(record, "otlp_http"), "push here from any service"),
    ]
    if record.grafana:
        rows.insert(1, ("Grafana", _url(record, "grafana"), "dashboards (admin/admin)"))
    if record.jaeger:
        rows.append(("Jaeger", _url(record, "jaeger"), "traces of alerts to the chats"))
    return rows


def sign_in_links(record: Record) -> list[tuple[str, str]]:
    """Page and link by which a browser signs in once, for the pages that may ask for it."""
    return [
        # the fragment reaches no server and no log; the page trades it for a cookie
        (page, f"{_url(record, name)}#token={_read(record.tokens[name])}")
        for name, page in _PAGES.items()
        if name in record.tokens
    ]


def show_addresses(record: Record, speaker: Speaker) -> None:
    """Say where everything is, and how a browser signs in."""
    speaker.table(("what", "where", "what for"), addresses(record))
    for page, link in sign_in_links(record):
        speaker.say(f"Sign in to the {page} once: {link}")


def _url(record: Record, name: str, path: str = "") -> str:
    return f"http://{LOOPBACK}:{record.ports[name]}/{path}"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""


def show_summary(record: Record, speaker: Speaker) -> None:
    """Say where everything is, and what to try next."""
    if record.demo:
        speaker.say("DEMO: all data is simulated.")
    show_addresses(record, speaker)
    if not record.demo and not has_state(record.state_dir):
        speaker.say(
            f"{record.state_dir} is empty: let WiltonOS write quantum_state.json there, or try "
            "wt metrics down, then wt metrics bootstrap --demo."
        )
    if not record.grafana:
        speaker.say(
            "No Grafana was found (PATH, WILTONOS_GRAFANA_HOME): the live page stands in; "
            "the dashboards to import are in grafana/dashboards/."
        )
    speaker.say("Next: " + " · ".join(_next()))


def _next() -> list[str]:
    wt = "./wt" if Path("wt").is_file() and os.access("wt", os.X_OK) else "wt"
    return [
        f"{wt} phi --watch",
        f"{wt} longevity dose resveratrol 500 mg",
        f"{wt} metrics doctor",
        f"{wt} metrics down",
    ]
