"""Every query of every dashboard, executed by a real Prometheus over an hour of data."""

import json
import math
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import answers, free_ports, get, wait_until
from wiltonos_otel.instruments.catalogue import CATALOGUE, SUSTAINED_GOOD_WINDOWS, Instrument, Kind
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import dashboards
from wiltonos_otel.stack.dashboards.check import OTHERS
from wiltonos_otel.stack.dashboards.doses import in_range, in_step

pytestmark = pytest.mark.stack

Json = dict[str, Any]
BOARDS: list[Json] = [json.loads(text) for text in dashboards.render(Policy()).values()]
HOUR, PUSH = 3600, 5
# seconds after the start at which a dose is recorded; close to edges of steps on purpose
DOSES = {"resveratrol": (601, 1259, 1261, 3001), "vitamin d3": (2399,)}
AMOUNTS = {"resveratrol": 500.0, "vitamin d3": 2000.0}
BUCKETS = (100.0, 500.0, 1000.0, math.inf)


class Data:
    """An hour of every series, ending a minute ago."""

    def __init__(self) -> None:
        self.end = int(time.time()) // 60 * 60 - 60  # noqa: TID251 - retention is by the wall clock
        self.start = self.end - HOUR

    def open_metrics(self) -> str:
        """All series in the OpenMetrics text format."""
        return "".join(self._families()) + "# EOF\n"

    def _families(self) -> Iterator[str]:
        for row in CATALOGUE:
            if row.kind is Kind.HISTOGRAM:
                yield from self._histogram(row)
            else:
                yield from self._plain(row)
        for name in sorted(OTHERS):
            labels = 'alertname="WiltonosSoftSteer",alertstate="firing",severity="warning"'
            if name != "ALERTS":
                labels = 'exporter="otlp_http/prometheus",data_type="metrics",channel="ops"'
            yield f"# TYPE {name.removesuffix('_total')} unknown\n"
            yield from self._samples(name, f'job="x",instance="vm",{labels}', lambda _: 1.0)

    def _plain(self, row: Instrument) -> Iterator[str]:
        counts = row.kind is not Kind.OBSERVABLE_GAUGE
        yield f"# TYPE {row.series.removesuffix('_total')} {'counter' if counts else 'gauge'}\n"
        for labels in self._labels(row):
            compound = labels.partition('compound="')[2].partition('"')[0]

            def value(second: int, compound: str = compound) -> float:
                if compound:
                    return sum(taken <= second for taken in DOSES[compound])
                wave = 0.75 + 0.01 * math.sin(second / 60)
                return second // 600 if counts else wave

            yield from self._samples(row.series, labels, value)

    def _labels(self, row: Instrument) -> list[str]:
        values = {
            "window": ("30s", "60s", "300s"),
            "loop": ("memory", "breath"),
            "limit": tuple(Policy().limits()),
            "source": ("quantum_state",),
            "reason": ("torn",),
            "compound": tuple(DOSES),
        }
        if row.name == "wiltonos.sustained_good.ratio":
            values["window"] = tuple(SUSTAINED_GOOD_WINDOWS)
        found = ['job="wiltonos-exporter",instance="vm"']
        for key in row.attributes:
            found = [f'{labels},{key}="{value}"' for labels in found for value in values[key]]
        return found

    def _histogram(self, row: Instrument) -> Iterator[str]:
        yield f"# TYPE {row.series} histogram\n"
        for compound, taken in DOSES.items():
            unit = "IU" if compound.startswith("vitamin") else "mg"
            base = f'job="wiltonos-longevity",instance="vm",compound="{compound}",unit="{unit}"'
            for second in range(0, HOUR + 1, PUSH):
                count = sum(x <= second for x in taken)
                at = self.start + second
                for edge in BUCKETS:
                    label = "+Inf" if edge == math.inf else edge
                    held = count if AMOUNTS[compound] <= edge else 0
                    yield f'{row.series}_bucket{{{base},le="{label}"}} {held} {at}\n'
                yield f"{row.series}_count{{{base}}} {count} {at}\n"
                yield f"{row.series}_sum{{{base}}} {count * AMOUNTS[compound]} {at}\n"

    def _samples(self, name: str, labels: str, value: Any) -> Iterator[str]:
        for second in range(0, HOUR + 1, PUSH):
            yield f"{name}{{{labels}}} {value(second):g} {self.start + second}\n"


class Prometheus:
    """A Prometheus over the data, asked as Grafana asks."""

    def __init__(self, url: str, data: Data) -> None:
        self.url = url
        self.data = data

    def range(self, expr: str, step: int = 60) -> list[Json]:
        """A range query over the hour."""
        question = {"start": self.data.start, "end": self.data.end, "step": step}
        return self._ask("query_range", {**question, "query": interpolate(expr, step)})

    def instant(self, expr: str, later: int = 0, step: int = 60) -> list[Json]:
        """An instant query at the end of the hour, or ``later`` seconds after it."""
        at = {"time": self.data.end + later, "query": interpolate(expr, step)}
        return self._ask("query", at)

    def label_values(self, series: str, label: str) -> list[str]:
        """The values of a label, as a variable asks for them."""
        question = urllib.parse.urlencode(
            {"match[]": series, "start": self.data.start, "end": self.data.end}
        )
        answer = json.loads(get(f"{self.url}/api/v1/label/{label}/values?{question}"))
        values: list[str] = answer["data"]
        return values

    def _ask(self, kind: str, question: Json) -> list[Json]:
        answer = json.loads(get(f"{self.url}/api/v1/{kind}?{urllib.parse.urlencode(question)}"))
        result: list[Json] = answer["data"]["result"]
        return result


def interpolate(expr: str, step: int) -> str:
    """What Grafana does to an expression: its own variables, and All for each choice."""
    for name, value in {
        "$__rate_interval": f"{max(step + PUSH, 4 * PUSH)}s",
        "$__interval": f"{step}s",
        "$__range": f"{HOUR}s",
        "$unit": "mg",
        "$instance": ".+",
        "$loop": ".+",
        "$compound": ".+",
    }.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.fixture(scope="module")
def prometheus(
    binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A real Prometheus that holds the hour."""
    directory = tmp_path_factory.mktemp("dashboards")
    data = Data()
    source = directory / "data.om"
    source.write_text(data.open_metrics())
    subprocess.run(
        [
            binaries["promtool"],
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            source,
            directory / "tsdb",
        ],
        check=True,
        capture_output=True,
    )
    (directory / "prometheus.yml").write_text("scrape_configs: []\n")
    url = f"http://127.0.0.1:{free_ports(['prometheus'])['prometheus']}"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binaries["prometheus"],
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={url.removeprefix('http://')}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: answers(f"{url}/-/ready"), 30, "Prometheus to be ready")
        yield Prometheus(url, data)
    finally:
        process.terminate()
        process.wait(10)


def _targets() -> Iterator[Any]:
    for board in BOARDS:
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                name = f"{board['uid']}-{panel['title']}-{target['refId']}"
                yield pytest.param(panel, target, id=name)


@pytest.mark.parametrize(("panel", "target"), list(_targets()))
def test_every_panel_query_has_data(prometheus: Prometheus, panel: Json, target: Json) -> None:
    """No panel stays empty while everything reports, over an hour and over a minute's step."""
    if target["instant"]:
        assert prometheus.instant(target["expr"])
    else:
        steps = (60,) if panel.get("interval") == "1m" else (15, 60)
        assert all(prometheus.range(target["expr"], step) for step in steps)


@pytest.mark.parametrize(
    "annotation",
    [x for board in BOARDS for x in board["annotations"]["list"]],
    ids=lambda x: str(x["name"]),
)
def test_every_annotation_has_marks(prometheus: Prometheus, annotation: Json) -> None:
    """Alerts and doses leave marks."""
    assert prometheus.range(annotation["expr"])


@pytest.mark.parametrize(
    "variable",
    [x for board in BOARDS for x in board["templating"]["list"] if x["type"] == "query"],
    ids=lambda x: str(x["name"]),
)
def test_every_variable_has_choices(prometheus: Prometheus, variable: Json) -> None:
    """Each choice above a dashboard offers something."""
    series, _, label = variable["query"].removeprefix("label_values(").rstrip(")").partition(", ")
    assert prometheus.label_values(series, label)


@pytest.mark.parametrize("step", [60, 300])
def test_each_dose_is_in_exactly_one_step(prometheus: Prometheus, step: int) -> None:
    """Bars and marks show every dose once, also the first one and those at the edge of a step."""
    shown = {
        series["metric"]["compound"]: sum(float(value) for _, value in series["values"])
        for series in prometheus.range(in_step(), step)
    }
    assert shown == {compound: len(taken) for compound, taken in DOSES.items()}


def test_the_sums_are_the_doses(prometheus: Prometheus) -> None:
    """increase() over the time range sees the first dose of each compound."""
    shown = {
        series["metric"]["compound"]: round(float(series["value"][1]))
        for series in prometheus.instant(in_range())
    }
    assert shown == {compound: len(taken) for compound, taken in DOSES.items()}


def test_the_histogram_shows_each_amount_in_its_bucket(prometheus: Prometheus) -> None:
    """500 mg lie in the bucket up to 500, nothing lies below."""
    (panel,) = (x for x in BOARDS[1]["panels"] if x["title"].startswith("Dose amounts"))
    buckets = {
        float(series["metric"]["le"]): round(float(series["value"][1]))
        for series in prometheus.instant(panel["targets"][0]["expr"])
    }
    assert buckets == {100.0: 0, 500.0: 4, 1000.0: 4, math.inf: 4}


def test_what_is_gone_is_not_shown_as_now(prometheus: Prometheus) -> None:
    """Half a minute after the last sample both are empty, although Prometheus still sees Φ."""
    now = [x for x in BOARDS[0]["panels"] if x["title"] in ("Φ now", "Sustained-Good")]
    assert len(now) == 2
    for panel in now:
        assert not prometheus.instant(panel["targets"][0]["expr"], later=30)
    assert prometheus.instant("wiltonos_quantum_coherence_ratio", later=30)
