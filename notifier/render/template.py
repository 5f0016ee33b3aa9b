"""A channel's own words: sandboxed templates of the title and the text. Pure.

Whatever a template prints of an alert is escaped for its chat; what it says itself is not, so
``*bold*`` works. It cannot ping: mentions come from the configuration's ``mentions`` only.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from traceback import walk_tb
from typing import Any

import jinja2
from jinja2 import TemplateError, TemplateRuntimeError, meta, nodes

from notifier.incident.model import Incident
from notifier.render.card import Card, duration
from notifier.render.sandbox import Atom, Sandbox, bounded
from notifier.render.text import Escape, as_it_is, clean, one_line

_MOST = 8_000
_MENTION = re.compile(r"<(?=[!@#])|@(?=everyone|here|channel)")
# of a source
_LONGEST = 32_000
VARIABLES: Mapping[str, str] = {
    "title": "what is wrong, on one line: the summary of the worst alert",
    "description": "its description",
    "severity": "the worst severity that fires, as the label has it",
    "level": "`critical`, `warning` or `info`",
    "phase": "`firing` or `resolved`",
    "resolved": "whether it is over",
    "since": "when it began, a datetime in UTC",
    "ended": "when it ended, a datetime in UTC; nothing while it fires",
    "duration": "how long it lasted, for example `4 min`; empty while it fires",
    "labels": "the labels that identify the incident, by name",
    "values": "the short annotations of the worst alert, by name",
    "links": "`dashboard`, `runbook`, `silence`, `query`, `inbox`, … → address, where known",
    "flaps": "how often it fired again after its end",
    "firing": "how many alerts fire",
    "alerts": "every alert: `name`, `status`, `severity`, `labels`, `annotations`, `starts_at`, "
    "`ends_at`",
}


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


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong with a source.

    Attributes:
        part: ``title`` or ``text``.
        line: where, from 1 on.
        what: what is wrong and what to do.
    """

    part: str
    line: int
    what: str


DEFAULT = Filled()


class _Closed(Atom):
    """Keys of which all are known, so that another one is a mistake and not nothing."""

    def __missing__(self, key: str) -> Any:
        raise TemplateRuntimeError(f"an alert has no {key!r}{_guess(key, self)}")


def check_template(
    template: Template, samples: Iterable[tuple[Card, Incident]] = ()
) -> list[Mistake]:
    """What is wrong with the sources: what cannot be read, unknown names, failing expressions.

    Args:
        template: the sources.
        samples: incidents to fill the template for; each that fails is a mistake.
    """
    found: list[Mistake] = []
    for part, source in (("title", template.title), ("text", template.text)):
        try:
            unknown = list(_unknown(part, _environment(as_it_is).parse(source or "")))
        except Exception as error:  # noqa: BLE001 - also what is nested too deep
            found.append(Mistake(part, getattr(error, "lineno", None) or 1, _words(error)))
            continue
        failed = [] if unknown else list(_failing(part, source, samples))
        found += [*unknown, *failed[:1]]
    return found


def _unknown(part: str, tree: nodes.Template) -> Iterator[Mistake]:
    undeclared = meta.find_undeclared_variables(tree) - VARIABLES.keys()
    said: set[str] = set()
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared and node.name not in said:
            said.add(node.name)
            what = f"there is no variable {node.name!r}{_guess(node.name, VARIABLES)}"
            yield Mistake(part, node.lineno, what)


def _failing(
    part: str, source: str | None, samples: Iterable[tuple[Card, Incident]]
) -> Iterator[Mistake]:
    for card, incident in samples:
        try:
            _render(source, _values(card, incident), as_it_is)
        except Exception as error:  # noqa: BLE001 - see fill
            state = "a resolved" if card.resolved else "a firing"
            yield Mistake(part, _line(error), f"{_words(error)} (with {state} incident)")


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def fill(template: Template, card: Card, incident: Incident, escape: Escape) -> Filled:
    """What the template says of an incident; with ``problem`` set, the default has to serve."""
    values = _values(card, incident)
    made = {}
    for part, source in (("title", template.title), ("text", template.text)):
        try:
            made[part] = _render(source, values, escape)
        except Exception as error:  # noqa: BLE001 - a template can raise whatever its filters raise
            return Filled(problem=f"{part}, line {_line(error)}: {_words(error)}")
    return Filled(" ".join(made["title"].split()), made["text"].strip())


def _line(error: Exception) -> int:
    """The line of a template at which an error was raised; Jinja rewrites the traceback so."""
    lines = [n for frame, n in walk_tb(error.__traceback__) if "<template>" in _file(frame)]
    return lines[-1] if lines else getattr(error, "lineno", None) or 1


def _file(frame: Any) -> str:
    return str(frame.f_code.co_filename)


def _words(error: Exception) -> str:
    # of a mistake in the source, str() names the place once more
    said = error.message if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    return one_line(str(said))[:200]


def _render(source: str | None, values: Mapping[str, Any], escape: Escape) -> str:
    if source is None:
        return ""
    made: list[str] = []
    room = _MOST
    with bounded():
        for piece in _compiled(source, escape).generate(values):
            made.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
    return _MENTION.sub(lambda match: f"{match[0]}\u200b", "".join(made))


@lru_cache(maxsize=8)
def _environment(escape: Escape) -> Sandbox:
    return Sandbox(
        autoescape=False,
        # the chat's own escaping, applied to every expression
        finalize=lambda value: escape(clean(Sandbox.text("" if value is None else value))),
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=64)
def _compiled(source: str, escape: Escape) -> jinja2.Template:
    if len(source) > _LONGEST:
        raise TemplateRuntimeError(f"a template of more than {_LONGEST:,} characters")
    return _environment(escape).from_string(source)


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
            _Closed(
                name=alert.name,
                status=str(alert.status),
                severity=alert.severity,
                labels=dict(alert.labels),
                annotations=dict(alert.annotations),
                starts_at=alert.starts_at,
                ends_at=alert.ends_at,
            )
            for alert in incident.alerts
        ],
    }
