"""What a message says, before it takes the form of a chat. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.alerts import AlertStatus
from notifier.incident.model import Incident, IncidentAlert, Phase, Quiet, QuietKind
from notifier.incident.severity import rank, worst
from notifier.render.budget import joined
from notifier.render.context import RenderContext
from notifier.render.links import Link, links
from notifier.render.own import translated
from notifier.render.text import Escape, clean, fit, one_line
from notifier.render.words import Words

_SUMMARY = ("summary", "message", "title")
_DESCRIPTION = ("description", "message")
# shown as values, in this order, before other short annotations
_VALUES = (
    "value",
    "limit",
    "phi",
    "band",
    "derivative_30s",
    "derivative_60s",
    "derivative_300s",
    "worst_loop",
    "pressure",
)
_NO_VALUES = {*_SUMMARY, *_DESCRIPTION, "runbook_url", "dashboard_url", "chart_expr"}
MAX_LINES = 20
_MAX_VALUES = 9
_MAX_VALUE = 60
_MAX_LABEL = 120
_MAX_NAME = 60
_NOT_WHERE = {"alertname", "severity"}
_FAMILIAR = ("instance", "job", "loop", "source", "compound")


class Level(StrEnum):
    """How bad it is, in the three steps that colours have."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


ICONS = {Level.CRITICAL: "🔴", Level.WARNING: "🟠", Level.INFO: "🔵"}
DONE = "✅"
_QUIET = {QuietKind.SILENCED: "🔕", QuietKind.ACKNOWLEDGED: "👀"}


@dataclass(frozen=True, slots=True)
class CardAlert:
    """One line of the list; alerts that differ in their severity only are one line.

    Attributes:
        where: the labels that tell it from the other lines.
        ended: None while it fires.
    """

    name: str
    level: Level
    severity: str
    summary: str
    where: tuple[tuple[str, str], ...]
    since: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Card:
    """A message as a person would dictate it; all texts clean, none escaped or cut.

    Attributes:
        title: what is wrong, on one line.
        severity: the worst firing severity; of all when nothing fires any more.
        where: the labels that identify the incident.
        values: name and text, for example ``("value", "0.80")``.
        alerts: the worst and newest first, resolved ones last; at most 20 of them.
        total: how many lines the whole list has.
        firing: how many of them fire.
        left_out: alerts that the sender did not list.
        flaps: how often it fired again after its end.
        latest: when it began to fire the last time.
        doubtful: the end may be no end.
        mentions: whom to ping, in the chat's own form.
        quiet: the silence that holds it back, or under which it resolved unseen.
        buttons: the actions that are buttons.
    """

    incident_id: str
    marker: str
    title: str
    level: Level
    severity: str
    phase: Phase
    since: datetime
    ended: datetime | None
    where: tuple[tuple[str, str], ...]
    description: str
    values: tuple[tuple[str, str], ...]
    alerts: tuple[CardAlert, ...]
    total: int
    firing: int
    left_out: int
    flaps: int
    latest: datetime
    doubtful: bool
    links: tuple[Link, ...]
    mentions: tuple[str, ...]
    quiet: Quiet | None = None
    buttons: tuple[str, ...] = ()

    @property
    def resolved(self) -> bool:
        """Whether it is over."""
        return self.phase is Phase.RESOLVED

    @property
    def measured(self) -> str:
        """Value and limit while it fires, where the title does not tell them already."""
        values = dict(self.values)
        value, limit = values.get("value", ""), values.get("limit", "")
        if self.resolved or not value or value in self.title:
            return ""
        return f"{value} ({limit})" if limit and limit not in self.title else value


def card(incident: Incident, context: RenderContext) -> Card:
    """What there is to say of an incident."""
    incident = translated(incident, context.language)
    folded = _folded(incident.alerts)
    shown = [a for a in folded if a.status is AlertStatus.FIRING] or folded
    head = shown[0] if shown else None
    severity = one_line(head.severity) if head else ""
    common = _common(folded)
    where = _where(incident, head, common)
    told = {name for name, _ in where} | _NOT_WHERE | common
    resolved = incident.phase is Phase.RESOLVED
    return Card(
        incident_id=incident.id,
        marker=f"{incident.id}:{incident.revision}",
        title=_text(head, _SUMMARY) if head else "Alert",
        level=level_of(worst(shown)),
        severity=severity,
        phase=incident.phase,
        since=incident.opened_at,
        ended=incident.resolved_at if resolved else None,
        where=where,
        description=_description(head),
        values=_values(head),
        alerts=tuple(_line(alert, told) for alert in folded[:MAX_LINES]),
        total=len(folded),
        firing=sum(alert.status is AlertStatus.FIRING for alert in folded),
        left_out=max(incident.truncated_alerts, 0),
        flaps=max(incident.reopened, 0),
        latest=max((alert.starts_at for alert in folded), default=incident.opened_at),
        doubtful=context.doubtful and resolved,
        links=tuple(links(incident, head, context)),
        mentions=() if resolved else mentions(severity, level_of(worst(shown)), context.mentions),
        quiet=_quiet(incident.quiet, resolved=resolved),
        buttons=tuple(context.actions or ()) if context.buttons else (),
    )


def _quiet(quiet: Quiet | None, *, resolved: bool) -> Quiet | None:
    """The silence as it may be said; one that is over with the incident is not."""
    if quiet is None or quiet.resolved_unseen is not resolved:
        return None
    by, comment = one_line(quiet.by), one_line(quiet.comment)
    return replace(quiet, by=fit(by, _MAX_NAME), comment=fit(comment, _MAX_LABEL))


def icon(card: Card) -> str:
    """How bad it is at one glance, or that it is over, or held back."""
    if card.quiet and not card.resolved:
        return _QUIET[card.quiet.kind]
    return DONE if card.resolved else ICONS[card.level]


def headed(card: Card, words: Words, most: int) -> str:
    """The title with its value, cut to ``most``, and how many more alerts fire; not escaped."""
    more = card.firing - 1
    counted = f" {words.say('and_more', count=more)}" if more > 0 else ""
    done = f"{words.say('resolved')}: " if card.resolved else ""
    title = joined([card.title, card.measured], ": ")
    return f"{done}{fit(title, most)}{counted}"


def footnotes(card: Card, words: Words, problem: str) -> list[str]:
    """How often it came back, and what is wrong with the channel's template; not escaped."""
    span = duration(card.latest - card.since)
    flaps = words.say("flapped", count=card.flaps + 1, duration=span) if card.flaps else ""
    return [flaps, words.say("template_failed", error=problem) if problem else ""]


def digest_line(card: Card, most: int, escape: Escape, strike: Callable[[str], str]) -> str:
    """The incident on one line among many; what is over is struck, in the chat's own form."""
    where = joined((value for _, value in card.where), ", ")
    text = fit(joined([card.title, where], " — "), most, escape)
    return f"{icon(card)} {strike(text) if card.resolved else text}"


def mentions(
    severity: str, level: Level, configured: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Whom the configuration names for a severity, or for its level; ``*`` is every one."""
    named = configured[severity] if severity in configured else configured.get(level, ())
    found = (*named, *configured.get("*", ()))
    return tuple(dict.fromkeys(found))


def order(alert: IncidentAlert) -> tuple[bool, int, float]:
    """Sorts alerts: firing first, then the worst, then the newest."""
    resolved = alert.status is not AlertStatus.FIRING
    return resolved, -rank(alert.severity), -alert.starts_at.timestamp()


def duration(length: timedelta) -> str:
    """Two units at most: ``45 s``, ``4 min``, ``1 h 5 min``, ``2 d 3 h``."""
    seconds = max(int(length.total_seconds()), 0)
    for size, unit, minor, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            rest = seconds % size // minor
            return f"{seconds // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"


def level_of(severity_rank: int) -> Level:
    """The colour of a rank, see ``notifier.incident.severity``."""
    if severity_rank >= 4:
        return Level.CRITICAL
    return Level.WARNING if severity_rank >= 2 else Level.INFO


def _folded(alerts: Iterable[IncidentAlert]) -> list[IncidentAlert]:
    """One of the alerts that differ in severity only, the one that a reader must see."""
    kept: dict[frozenset[tuple[str, str]], IncidentAlert] = {}
    for alert in sorted(alerts, key=order):
        same = frozenset((k, v) for k, v in alert.labels.items() if k != "severity")
        kept.setdefault(same, alert)
    return list(kept.values())


def _common(alerts: Sequence[IncidentAlert]) -> set[str]:
    """The labels in which no alert differs from another."""
    if not alerts:
        return set()
    pairs = set(alerts[0].labels.items()).intersection(*(a.labels.items() for a in alerts[1:]))
    return {name for name, _ in pairs}


def _line(alert: IncidentAlert, told: set[str]) -> CardAlert:
    own = [pair for pair in sorted(alert.labels.items()) if pair[0] not in told]
    ended = None if alert.status is AlertStatus.FIRING else alert.ends_at or alert.starts_at
    return CardAlert(
        name=one_line(alert.name),
        level=level_of(rank(alert.severity)),
        severity=one_line(alert.severity),
        summary=_text(alert, _SUMMARY),
        where=_pairs(own[:4]),
        since=alert.starts_at,
        ended=ended,
    )


def _where(
    incident: Incident, head: IncidentAlert | None, common: set[str]
) -> tuple[tuple[str, str], ...]:
    labels = {k: v for k, v in incident.labels.items() if k not in _NOT_WHERE}
    for name in _FAMILIAR if head else ():
        if name not in labels and name in common and head:
            labels[name] = head.labels[name]
    return _pairs(list(labels.items())[:8])


def _pairs(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    cleaned = ((one_line(k), fit(one_line(v), _MAX_LABEL)) for k, v in labels)
    return tuple((name, value) for name, value in cleaned if name and value)


def _text(alert: IncidentAlert, names: Sequence[str]) -> str:
    for name in names:
        text = one_line(alert.annotations.get(name, ""))
        if text:
            return text
    return one_line(alert.name) or "Alert"


def _description(alert: IncidentAlert | None) -> str:
    for name in _DESCRIPTION if alert else ():
        text = clean(alert.annotations.get(name, "")) if alert else ""
        if text:
            return text if alert and text != _text(alert, _SUMMARY) else ""
    return ""


def _values(alert: IncidentAlert | None) -> tuple[tuple[str, str], ...]:
    """The short annotations that are no prose: first the known ones, in their order."""
    if alert is None:
        return ()
    rest = sorted(k for k in alert.annotations if k not in _VALUES and not k.startswith("__"))
    names = [*(n for n in _VALUES if n in alert.annotations), *rest]
    pairs = ((n, one_line(alert.annotations[n])) for n in names if n not in _NO_VALUES)
    short = [(one_line(n), text) for n, text in pairs if text and len(text) <= _MAX_VALUE]
    return tuple(short[:_MAX_VALUES])
