"""Where a reader may want to go from a message. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

from notifier.grafana import SILENCE
from notifier.incident.model import Incident, IncidentAlert
from notifier.incident.planner import OWN_RECEIVER
from notifier.render.context import RenderContext
from notifier.render.text import clean, one_line

MAX_URL = 700
_BEFORE = timedelta(minutes=15)
_AFTER = timedelta(minutes=5)
# stays readable, and cannot end the place where either chat writes an address
_SAFE = "%/:=&?~#+!$,;'@*._-"


@dataclass(frozen=True, slots=True)
class Link:
    """A place to go.

    Attributes:
        name: key of the word, for example ``dashboard``.
        url: absolute, http or https, without characters that a chat reads as markup.
    """

    name: str
    url: str


def links(incident: Incident, worst: IncidentAlert | None, context: RenderContext) -> list[Link]:
    """The links of a card, the most useful first; what is unknown, unsafe or too long is left out.

    Args:
        incident: the incident.
        worst: the alert whose dashboard and runbook count.
        context: the addresses.
    """
    annotations = worst.annotations if worst else {}
    found = {
        "dashboard": _dashboard(incident, worst, context),
        "runbook": annotations.get("runbook_url", ""),
        **_silencing(incident, worst, context),
        "query": _query(worst, context),
        "inbox": incident_url(incident.id, context),
    }
    safe = {name: safe_url(url) for name, url in found.items()}
    return [Link(name, url) for name, url in safe.items() if url]


def incident_url(incident_id: str, context: RenderContext) -> str:
    """The place of an incident on the notifier's own page, or ""."""
    base = context.public_url.rstrip("/")
    return f"{base}/#{incident_id}" if base else ""


def safe_url(url: str) -> str:
    """The address if a chat can take it, else ""."""
    try:
        parts = urlsplit(clean(url))
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    quoted = quote(clean(url), safe=_SAFE)
    return quoted if len(quoted) <= MAX_URL else ""


def _dashboard(incident: Incident, worst: IncidentAlert | None, context: RenderContext) -> str:
    if worst is None:
        return ""
    uid = worst.annotations.get("__dashboardUid__", "")
    if not uid or not context.grafana_url:
        return worst.annotations.get("dashboard_url", "")
    start = incident.opened_at - _BEFORE
    end = incident.resolved_at
    until = str(_milliseconds((end + _AFTER).timestamp())) if end else "now"
    query = {"from": str(_milliseconds(start.timestamp())), "to": until}
    if worst.annotations.get("__panelId__"):
        query = {"viewPanel": one_line(worst.annotations["__panelId__"]), **query}
    if worst.labels.get("instance"):
        query["var-instance"] = one_line(worst.labels["instance"])
    return f"{context.grafana_url.rstrip('/')}/d/{quote(one_line(uid), safe='')}?{urlencode(query)}"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _silencing(
    incident: Incident, worst: IncidentAlert | None, context: RenderContext
) -> Mapping[str, str]:
    """What we offer ourselves; else the form of whoever knows the incident."""
    if incident.firing and worst is not None and worst.annotations.get(SILENCE):
        return {"silence": worst.annotations[SILENCE]}
    if context.actions is not None:
        return {} if context.buttons else context.actions
    own = incident.receiver == OWN_RECEIVER
    return {} if own else {"silence": _silence(incident, context)}


def _silence(incident: Incident, context: RenderContext) -> str:
    base = (context.alertmanager_url or incident.external_url).rstrip("/")
    if not base or not incident.firing:
        return ""
    matchers = _matchers(incident)
    listed = ",".join(f'{_plain(name)}="{_quoted(value)}"' for name, value in matchers.items())
    return f"{base}/#/silences/new?filter={quote('{' + listed + '}', safe='')}"


def _matchers(incident: Incident) -> Mapping[str, str]:
    """The labels of the incident, and the alert's name where there is only one."""
    names = {alert.name for alert in incident.firing}
    named = {"alertname": names.pop()} if len(names) == 1 else {}
    return {**named, **incident.labels}


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _quoted(value: str) -> str:
    return _plain(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _query(worst: IncidentAlert | None, context: RenderContext) -> str:
    """The alert's expression, at the Prometheus that a reader can reach."""
    if worst is None or not worst.generator_url:
        return ""
    try:
        parts = urlsplit(worst.generator_url)
    except ValueError:
        return ""
    if context.prometheus_url and parts.query.startswith("g0.expr="):
        return f"{context.prometheus_url.rstrip('/')}/graph?{parts.query}"
    return worst.generator_url
