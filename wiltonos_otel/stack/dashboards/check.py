"""Checks dashboards as data: what a reviewer of Grafana dashboards would object to.

The rules that matter of grafana/dashboard-linter v0.2.0, and our own: gauges are read fresh, every
metric exists, every metric of ours is shown, doses carry the disclaimer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wiltonos_otel.instruments.catalogue import CATALOGUE, Kind
from wiltonos_otel.stack import rules_notifier
from wiltonos_otel.stack import rules_pipeline as rules
from wiltonos_otel.stack.dashboards.doses import in_step
from wiltonos_otel.stack.dashboards.longevity import DISCLAIMER
from wiltonos_otel.stack.dashboards.model import COLUMNS, SCHEMA_VERSION
from wiltonos_otel.stack.dashboards.pipeline import FAILED_EXPORTS, LOST_EXPORTS

Json = Mapping[str, Any]

# panels that Grafana 9.4 has
PANEL_TYPES = frozenset({"bargauge", "gauge", "row", "stat", "table", "text", "timeseries"})
WITHOUT_QUERY = frozenset({"row", "text"})
# one figure each; of a range it would be the last one seen, however old
OF_NOW = frozenset({"bargauge", "gauge", "stat"})
UNITS = frozenset({"none", "percentunit", "s", "short"})
# names that others report: the Collector, the notifier, each service's pushes, Prometheus itself
OTHERS = frozenset(
    {
        rules.REFUSED,
        rules.SEND_FAILED,
        rules.QUEUE_SIZE,
        rules.QUEUE_CAPACITY,
        rules_notifier.BACKLOG_AGE,
        rules_notifier.DEAD_LETTERS,
        rules_notifier.CHANNEL_STOPPED,
        FAILED_EXPORTS,
        LOST_EXPORTS,
        "ALERTS",
    }
)
OURS = {name: row for row in CATALOGUE for name in row.sample_names}
_PUSHED_GAUGES = frozenset(
    {rules_notifier.BACKLOG_AGE, rules_notifier.DEAD_LETTERS, rules_notifier.CHANNEL_STOPPED}
    | {name for name, row in OURS.items() if row.kind is Kind.OBSERVABLE_GAUGE}
)
_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_LITERALS = re.compile(r'"(?:[^"\\]|\\.)*"|\{[^{}]*\}|\[[^\]]*\]')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_NAME = re.compile(r"\$?[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()\b")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"})
_RATES = re.compile(r"\b(?:rate|irate)\([^][]*\[([^\]]*)\]")
_TOTAL = re.compile(r"(\w+)\(\s*(\w+_total)\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend.

    Attributes:
        where: dashboard and panel.
        problem: what is wrong.
    """

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def check(dashboards: Iterable[Json]) -> list[Finding]:
    """Everything that is wrong with a set of dashboards."""
    found: list[Finding] = []
    shown: set[str] = set()
    for dashboard in dashboards:
        where = str(dashboard.get("uid"))
        found += [Finding(where, problem) for problem in _dashboard(dashboard)]
        found += [Finding(where, problem) for problem in _variables(dashboard)]
        for panel in dashboard["panels"]:
            place = f"{where} {panel.get('title', panel.get('id'))!r}"
            found += [Finding(place, problem) for problem in _panel(panel)]
        for place, expr in expressions(dashboard):
            found += [Finding(f"{where} {place}", problem) for problem in _query(expr)]
            shown |= names(expr)
    missing = [row.name for row in CATALOGUE if not shown.intersection(row.sample_names)]
    return found + [Finding("catalogue", f"{name} is on no panel") for name in missing]


def expressions(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Every PromQL expression of a dashboard, with the name of its place."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']!r} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']!r}", annotation["expr"]


def names(expr: str) -> set[str]:
    """The metric names in an expression."""
    bare = _GROUPING.sub(" ", _LITERALS.sub(" ", expr))
    return {name for name in _NAME.findall(bare) if name not in _WORDS and name[0] != "$"}


def _dashboard(dashboard: Json) -> Iterator[str]:
    expected = {"editable": False, "schemaVersion": SCHEMA_VERSION, "timezone": "browser"}
    for key, value in expected.items():
        if dashboard.get(key) != value:
            yield f"{key} is {dashboard.get(key)!r}, not {value!r}"
    if not _UID.fullmatch(str(dashboard.get("uid"))):
        yield "uid must be 1 to 40 characters of a-z, A-Z, 0-9, _ and -"
    if not isinstance(dashboard.get("refresh"), str):
        yield "refresh must be a string"
    if not dashboard.get("description"):
        yield "has no description"
    if any("placement" in x for x in (*dashboard["links"], *dashboard["annotations"]["list"])):
        yield "hides links or annotations in a menu"
    numbers = [panel.get("id") for panel in dashboard["panels"]]
    if len(set(numbers)) != len(numbers) or not all(numbers):
        yield f"panel ids {numbers} must be unique and above 0"
    if not any(x["expr"].startswith("ALERTS{") for x in dashboard["annotations"]["list"]):
        yield "shows no alerts as annotations"
    yield from _grid(dashboard["panels"])


def _grid(panels: Iterable[Json]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']!r} leaves the grid"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']!r} lies on {other!r}"
                    return


def _variables(dashboard: Json) -> Iterator[str]:
    variables = {x["name"]: x for x in dashboard["templating"]["list"]}
    source = variables.pop("datasource", {})
    if (source.get("type"), source.get("query"), source.get("label")) != (
        "datasource",
        "prometheus",
        "Data source",
    ):
        yield "needs a variable datasource of type prometheus with the label Data source"
    for name, variable in variables.items():
        if variable.get("refresh") != 2:
            yield f"variable {name} must refresh when the time range changes"
        if variable.get("includeAll") and variable.get("allValue") != ".+":
            yield f'variable {name} must mean ".+" by All'
        if not variable.get("label"):
            yield f"variable {name} has no label"
        if not names(str(variable["query"]).partition("(")[2].partition(",")[0]) <= OURS.keys():
            yield f"variable {name} asks for an unknown metric"


def _panel(panel: Json) -> Iterator[str]:
    kind = panel["type"]
    if kind not in PANEL_TYPES:
        yield f"type {kind} is not in Grafana 9.4"
    if not panel.get("title"):
        yield "has no title"
    if kind == "row":
        return
    if not panel.get("description"):
        yield "has no description"
    if panel.get("datasource", {}).get("uid") != "${datasource}":
        yield "must take its data from ${datasource}"
    if kind not in WITHOUT_QUERY:
        yield from _shown(panel)


def _shown(panel: Json) -> Iterator[str]:
    targets = panel.get("targets", [])
    if not targets:
        yield "has no query"
    if any(x.get("datasource", {}).get("uid") != "${datasource}" for x in targets):
        yield "has a query that does not go to ${datasource}"
    if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
        yield f"unit {panel['fieldConfig']['defaults'].get('unit')!r} is none of {sorted(UNITS)}"
    if not panel["fieldConfig"]["defaults"].get("noValue"):
        yield "does not say why it is empty"
    if panel["type"] in OF_NOW and not all(x.get("instant") for x in targets):
        yield "shows the newest value of a range as now; make its queries instant"
    if "longevity" in str(targets) and DISCLAIMER not in panel["description"]:
        yield "shows doses without the disclaimer"


def _query(expr: str) -> Iterator[str]:
    for name in sorted(names(expr)):
        if name not in OURS and name not in OTHERS:
            yield f"{name} is no metric that anybody reports"
    for window in _RATES.findall(expr):
        if window != "$__rate_interval":
            yield f"rate over [{window}] must be over [$__rate_interval]"
    # doses in a step are exact differences, which no rate can give
    plain = expr.replace(in_step(), "").replace(_with_compound(in_step()), "")
    counted = {name for function, name in _TOTAL.findall(plain) if function in _COUNTING}
    for name in sorted(x for x in names(plain) if x.endswith("_total")):
        if name not in counted:
            yield f"{name} is a counter; read it through rate or increase"
    for name in sorted(names(expr) & _PUSHED_GAUGES):
        uses = len(re.findall(rf"\b{name}\b", expr))
        fresh = len(re.findall(rf"last_over_time\({name}\b", expr))
        if fresh != uses:
            yield f"{name} must be read through last_over_time: a gauge that is gone stays visible"


def _with_compound(expr: str) -> str:
    """The same expression for the chosen compounds."""
    return re.sub(r"(wiltonos_longevity_doses_total)", r'\1{compound=~"$compound"}', expr)


_COUNTING = frozenset({"rate", "irate", "increase"})
