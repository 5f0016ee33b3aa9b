"""A channel's own words: sandboxed templates of the title and the text. Pure.

Whatever a template prints of an alert is escaped for its chat; what it says itself is not, so
``*bold*`` works. It cannot ping: mentions come from the configuration's ``mentions`` only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from notifier.incident.model import Incident
from notifier.render.card import Card, duration
from notifier.render.text import Escape, clean, one_line

_MOST = 8_000
_MENTION = re.compile(r"<(?=[!@#])|@(?=everyone|here|channel)")


@dataclass(frozen=True, slots=True)
class Template:
    """Jinja sources; None leaves the default.

    Attributes:
        title: of the first line.
        text: of the paragraph below the values.
    """

    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """What a template made, in the markup of its chat; "" where the default stays."""

    title: str = ""
    text: str = ""
    problem: str = ""


DEFAULT = Filled()


def check_template(template: Template) -> str:
    """What is wrong with the sources, and on which line; empty when they can be read."""
    for name, source in (("title", template.title), ("text", template.text)):
        try:
            _environment(str).parse(source or "")
        except TemplateError as error:
            return f"{name}: line {getattr(error, 'lineno', 1)}: {one_line(str(error))}"
    return ""


def fill(template: Template, card: Card, incident: Incident, escape: Escape) -> Filled:
    """What the template says of an incident; with ``problem`` set, the default has to serve."""
    values = _values(card, incident)
    try:
        title = _render(template.title, values, escape)
        text = _render(template.text, values, escape)
    except Exception as error:  # noqa: BLE001 - a template can raise whatever its filters raise
        return Filled(problem=one_line(f"{type(error).__name__}: {error}")[:200])
    return Filled(" ".join(title.split()), text.strip())


def _render(source: str | None, values: Mapping[str, Any], escape: Escape) -> str:
    if source is None:
        return ""
    text = _environment(escape).from_string(source).render(values)[:_MOST]
    return _MENTION.sub(lambda match: f"{match[0]}\u200b", text)


@lru_cache(maxsize=8)
def _environment(escape: Escape) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        autoescape=False,
        # the chat's own escaping, applied to every expression
        finalize=lambda value: escape(clean(str(value if value is not None else ""))),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _values(card: Card, incident: Incident) -> Mapping[str, Any]:
    """What a template can name."""
    return {
        "title": card.title,
        "description": card.description,
        "severity": card.severity,
        "level": str(card.level),
        "phase": str(card.phase),
        "resolved": card.resolved,
        "since": card.since,
        "ended": card.ended,
        "duration": duration(card.ended - card.since) if card.ended else "",
        "labels": dict(incident.labels),
        "values": dict(card.values),
        "links": {link.name: link.url for link in card.links},
        "flaps": card.flaps,
        "firing": card.firing,
        "alerts": [
            {
                "name": alert.name,
                "status": str(alert.status),
                "severity": alert.severity,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "starts_at": alert.starts_at,
                "ends_at": alert.ends_at,
            }
            for alert in incident.alerts
        ],
    }
