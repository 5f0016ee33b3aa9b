"""What a chart of an incident should show: which expression, which time, which band. Pure.

The expression is the alert's own, from the address of its rule; a comparison at its top is
split into what is drawn and the limit that is drawn across it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from notifier.incident.model import Incident, IncidentAlert
from notifier.render.card import card, order
from notifier.render.context import RenderContext
from notifier.render.text import fit, one_line
from notifier.render.words import words

BEFORE = timedelta(minutes=10)
AFTER = timedelta(minutes=2)
POINTS = 240
_COMPARED = re.compile(
    r"^(?P<left>.+?)\s*(?P<sign><=?|>=?|[!=]=)\s*(?:bool\s+)?(?P<limit>-?\d+(?:\.\d+)?)$", re.DOTALL
)
_PIECE = re.compile(
    r"""
    "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`
    | (?P<stray>["'`]) | (?P<bracket>[()\[\]{}]) | \b(?P<operator>or|and|unless)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
# who writes more brackets around an expression gets it drawn as it stands
_MOST_NESTED = 8
_READ_LIMIT = 200
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class ChartPlan:
    """What to ask of Prometheus and how to draw it.

    Attributes:
        expression: PromQL of the lines.
        start: first moment; aware UTC.
        end: last moment.
        step_seconds: resolution of the query.
        low: lower limit; None without one.
        high: upper limit; None without one.
        fired_at: where the incident begins.
        ended_at: where it ends; None while it fires.
        title: one line.
        alt: the picture in words.
        labels: what all alerts have in common; a series that differs in one is not drawn.
    """

    expression: str
    start: datetime
    end: datetime
    step_seconds: float
    low: float | None
    high: float | None
    fired_at: datetime
    ended_at: datetime | None
    title: str
    alt: str
    labels: Mapping[str, str]


def chart_plan(incident: Incident, context: RenderContext) -> ChartPlan | None:
    """What to draw for an incident; None when no alert tells its expression.

    The worst alert's. An annotation ``chart_expr`` takes precedence over the rule's own
    expression; the comparison in the expression is the band, else ``limit`` with one or two
    numbers is.
    """
    said = card(incident, context)
    alert = next((a for a in _candidates(incident) if _expression(a)), None)
    if alert is None:
        return None
    expression, low, high = split_comparison(_expression(alert))
    if low is high is None:
        low, high = _band(alert.annotations.get("limit", "")) or (None, None)
    start = incident.opened_at - BEFORE
    end = min(context.now, incident.resolved_at + AFTER) if incident.resolved_at else context.now
    title = fit(said.title, 90)
    alt = words(context.language).say(
        "chart_alt", title=title, start=f"{start:%H:%M} UTC", end=f"{end:%H:%M} UTC"
    )
    return ChartPlan(
        expression=expression,
        start=start,
        end=end,
        step_seconds=max((end - start).total_seconds() / POINTS, 1.0),
        low=low,
        high=high,
        fired_at=incident.opened_at,
        ended_at=incident.resolved_at,
        title=title,
        alt=alt,
        labels=_labels(incident),
    )


def split_comparison(expression: str) -> tuple[str, float | None, float | None]:
    """The side that is drawn, and the lower and upper limit that it is compared with.

    Understood are comparisons with a number, ``x > high or x < low`` of one x, and conditions
    added by ``and`` or ``unless``, which are not drawn. What has to equal a number is drawn
    without a limit. Anything else is drawn whole.
    """
    (_, first), *others = _clauses(expression)
    for _ in range(_MOST_NESTED):
        inner = first.strip()
        if not (others and inner.startswith("(") and inner.endswith(")")):
            break
        if _comparison(first) is not None or not _balanced(inner[1:-1]):
            break
        expression = inner[1:-1]
        (_, first), *others = _clauses(expression)
    found = _comparison(first)
    if found is None:
        return expression.strip(), None, None
    drawn, low, high = found
    for operator, clause in others:
        more = _comparison(clause) if operator == "or" else None
        if more is not None and more[0] == drawn:
            low, high = more[1] if low is None else low, more[2] if high is None else high
    return drawn, low, high


def _clauses(expression: str) -> list[tuple[str, str]]:
    """The parts between set operators outside of brackets and quotes, each with its operator."""
    parts, operator, start = [], "", 0
    for match, depth in _walk(expression):
        if match["operator"] and depth == 0 and expression[start : match.start()].strip():
            parts.append((operator, expression[start : match.start()]))
            operator, start = match["operator"].lower(), match.end()
    return [*parts, (operator, expression[start:])]


def _comparison(clause: str) -> tuple[str, float | None, float | None] | None:
    found = _COMPARED.match(clause.strip())
    if found is None or not _balanced(found["left"]):
        return None
    if found["sign"] in {"==", "!="}:
        # the lines show it without an edge: up is 1, then 0
        return found["left"].strip(), None, None
    limit = float(found["limit"])
    above = found["sign"].startswith(">")
    return found["left"].strip(), None if above else limit, limit if above else None


def _balanced(text: str) -> bool:
    """Whether every bracket and quote is closed again, in order."""
    depths = [depth for _, depth in _walk(text)]
    return not depths or depths[-1] == 0


def _walk(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """The brackets, quotes and operators of a text, each with the depth that follows it.

    Read once from the start, since the text may be hostile; it ends, with a depth below 0, where
    something is closed that was not opened, or opened by a quote and not closed.
    """
    depth = 0
    for match in _PIECE.finditer(text):
        if match["stray"]:
            depth = -1
        elif match["bracket"]:
            depth += 1 if match["bracket"] in "([{" else -1
        yield match, depth
        if depth < 0:
            return


def _labels(incident: Incident) -> dict[str, str]:
    found = [alert.labels for alert in incident.firing or incident.alerts]
    pairs = set(found[0].items()).intersection(*(labels.items() for labels in found[1:]))
    return {name: value for name, value in pairs if name not in {"alertname", "severity"}}


def _candidates(incident: Incident) -> list[IncidentAlert]:
    """The alerts that may be drawn, the worst first; what fires goes before what is over."""
    return sorted(incident.alerts, key=order)


def _expression(alert: IncidentAlert) -> str:
    own = one_line(alert.annotations.get("chart_expr", ""))
    if own:
        return own
    try:
        query = urlsplit(alert.generator_url).query
    except ValueError:
        return ""
    return one_line(parse_qs(query).get("g0.expr", [""])[0])


def _band(limit: str) -> tuple[float | None, float | None] | None:
    """``0.73–0.77`` is a band; one number alone is an upper limit."""
    numbers = [float(number) for number in _NUMBER.findall(limit[:_READ_LIMIT].replace("..", " "))]
    if len(numbers) == 2:
        return min(numbers), max(numbers)
    return (None, numbers[0]) if len(numbers) == 1 else None
