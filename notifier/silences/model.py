"""Silences as Alertmanager has them, and which one fits an incident. Pure.

Source: Alertmanager's ``api/v2/openapi.yaml``; matchers as in ``pkg/labels`` and ``matcher/parse``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from notifier.errors import NotifierError
from notifier.incident import Incident, IncidentAlert
from notifier.render.words import words

# a label with more values than this among the firing alerts no longer tells them from others
MOST_VALUES = 50
# what a silence says whose maker gave no reason; Alertmanager wants some text
NO_COMMENT = "asked for in the chat"
_OPERATORS = {"=": (False, True), "!=": (False, False), "=~": (True, True), "!~": (True, False)}
_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s=!~,{}"]+)\s*(?P<operator>=~|!~|!=|=)\s*
        (?P<value>"(?:[^"\\]|\\.)*"|[^\s,{}"]*)\s*(?:,|$)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# Go's regular expressions know no other escapes of ASCII than those of punctuation
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


class SilenceError(NotifierError):
    """A silence that cannot be made, changed or ended; one line says why.

    Attributes:
        word: the key of that line in the catalogues, for whoever reads another language; or "".
        values: what fills its placeholders.
    """

    def __init__(self, text: str, word: str = "", **values: object) -> None:
        super().__init__(text)
        self.word = word
        self.values = values

    @classmethod
    def of(cls, word: str, **values: object) -> Self:
        """The error whose line is in the catalogues."""
        return cls(words("en").say(word, **values), word, **values)


class SilenceState(StrEnum):
    """The states of a silence."""

    ACTIVE = "active"
    PENDING = "pending"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a regular expression is anchored at both ends."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def __str__(self) -> str:
        written = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        signs = {signs: sign for sign, signs in _OPERATORS.items()}
        return f'{self.name}{signs[self.is_regex, self.is_equal]}"{written}"'


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of Alertmanager; ``id`` is "" until it has one."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    state: SilenceState = SilenceState.ACTIVE


@dataclass(frozen=True, slots=True)
class ListedAlert:
    """An alert that fires, as Alertmanager lists it; what has resolved is not listed.

    Attributes:
        silenced_by: ids of the silences that hold it back.
        active: whether nothing holds it back: no silence, no inhibition, no muted time.
        starts_at: None where nobody asked.
    """

    fingerprint: str
    silenced_by: tuple[str, ...]
    active: bool = False
    starts_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def matchers_of(incident: Incident) -> tuple[Matcher, ...]:
    """The matchers of a silence for exactly the alerts that fire now.

    A label on which all of them agree must be equal; one on which they differ must have one of
    their values. Severity counts, so whatever gets worse or joins later still rings.
    """
    firing = incident.firing
    names = sorted({name for alert in firing for name in alert.labels})
    found = [matcher for name in names if (matcher := _matcher(name, firing))]
    # Alertmanager refuses a silence that matches alerts without any label
    if not any(_demands(matcher) for matcher in found):
        raise SilenceError.of("sorry.common")
    return tuple(found)


def _matcher(name: str, alerts: Sequence[IncidentAlert]) -> Matcher | None:
    values = sorted({alert.labels.get(name, "") for alert in alerts})
    if len(values) == 1:
        return Matcher(name, values[0])
    if len(values) > MOST_VALUES:
        return None
    return Matcher(name, "|".join(_literal(value) for value in values), is_regex=True)


def _literal(value: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", value)


def _demands(matcher: Matcher) -> bool:
    return bool(matcher.value) and not (matcher.is_regex and "" in matcher.value.split("|"))


def written(matchers: Iterable[Matcher]) -> str:
    """The matchers as Alertmanager writes them, parted by commas."""
    return ", ".join(str(matcher) for matcher in matchers)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """What a person wrote: ``a="b", c=~"d|e"``, with or without braces.

    Raises:
        SilenceError: it is no list of matchers.
    """
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    found: list[Matcher] = []
    at = 0
    while at < len(inner):
        match = _MATCHER.match(inner, at)
        if match is None:
            raise SilenceError(f'not a matcher: {inner[at : at + 60]}; the form is name="value"')
        is_regex, is_equal = _OPERATORS[match["operator"]]
        name, value = _unquoted(match["name"]), _unquoted(match["value"])
        found.append(Matcher(name, value, is_regex, is_equal))
        at = match.end()
    if not any(_demands(matcher) and matcher.is_equal for matcher in found):
        raise SilenceError("at least one matcher must ask for a value, or all alerts are silenced")
    return tuple(found)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text[1:-1])
