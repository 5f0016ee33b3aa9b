"""The dashboards as files: generated, sound, and free of what reviewers object to."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner

from wiltonos_otel.longevity.dose import DISCLAIMER
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import dashboards, rules
from wiltonos_otel.stack.dashboards import longevity
from wiltonos_otel.stack.dashboards.check import OURS, check, expressions, names
from wiltonos_otel.stack.panels import COHERENCE_DASHBOARD, LongevityPanelId, PanelId
from wiltonos_service.cli import wt
from wiltonos_service.errors import OperatorError

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
# what Grafana puts in before Prometheus sees an expression
GRAFANA = {"$__rate_interval": "20s", "$__interval": "1m", "$__range": "1h"}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The generated dashboards by path."""
    return dashboards.render(Policy())


@pytest.fixture
def boards(files: dict[str, str]) -> list[Json]:
    """Both dashboards, coherence first."""
    return [json.loads(text) for text in files.values()]


def test_the_committed_files_are_generated(files: dict[str, str]) -> None:
    """Nobody edited a dashboard by hand, and nobody forgot to generate it."""
    for name, text in files.items():
        assert (ROOT / name).read_text("utf-8") == text, f"run: wt dashboards build ({name})"
    committed = {path.name for path in (ROOT / dashboards.DIRECTORY).iterdir()}
    assert committed == {Path(name).name for name in files}


def test_the_same_policy_makes_the_same_text(files: dict[str, str]) -> None:
    """Building twice differs in no byte."""
    assert dashboards.render(Policy()) == files


def test_another_policy_moves_the_band() -> None:
    """Thresholds on dial and graph are the policy's."""
    moved = dashboards.render(Policy(target=0.6, tolerance=0.01))
    board = json.loads(next(iter(moved.values())))
    for number in (PanelId.PHI_NOW, PanelId.HISTORY):
        (panel,) = (x for x in board["panels"] if x["id"] == number)
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert [step["value"] for step in steps] == [None, 0.59, 0.61]


def test_there_is_nothing_to_mend(boards: list[Json]) -> None:
    """The checks find nothing in what is generated."""
    assert [str(finding) for finding in check(boards)] == []


def test_titles_and_uids_are_the_promised_ones(boards: list[Json]) -> None:
    """Others link to these."""
    assert [(board["uid"], board["title"]) for board in boards] == [
        ("wiltonos-coherence", "WiltonOS Quantum Coherence Dashboard"),
        ("wiltonos-longevity", "WiltonOS Longevity Metrics Dashboard"),
    ]


def test_each_numbered_panel_is_there(boards: list[Json]) -> None:
    """The numbers that rules and dashboards share are all in use."""
    for board, ids in zip(boards, (PanelId, LongevityPanelId), strict=True):
        found = {panel["id"] for panel in board["panels"] if panel["type"] != "row"}
        assert found == {int(number) for number in ids}


def test_every_alert_leads_to_a_panel(boards: list[Json]) -> None:
    """The panel that an alert names exists on the dashboard that it names."""
    found = {panel["id"] for panel in boards[0]["panels"]}
    assert boards[0]["uid"] == COHERENCE_DASHBOARD
    assert {int(alert.panel) for alert in rules.alerts(Policy())} <= found


def test_dashboards_lead_to_each_other(boards: list[Json]) -> None:
    """Each has a link to the other that keeps the time range."""
    for board, other in zip(boards, reversed(boards), strict=True):
        (link,) = board["links"]
        assert link["url"] == f"/d/{other['uid']}"
        assert link["keepTime"]


def test_doses_carry_the_diarys_own_disclaimer() -> None:
    """The words on the dashboard are the words of the API."""
    assert longevity.DISCLAIMER == DISCLAIMER


def test_every_expression_is_promql(boards: list[Json]) -> None:
    """A parser agrees with each of them, once Grafana's own variables are put in."""
    for board in boards:
        for place, expr in expressions(board):
            for variable, value in GRAFANA.items():
                expr = expr.replace(variable, value)  # noqa: PLW2901 - one after the other
            assert promql_parser.parse(expr), place


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("sum by (le) (increase(a_bucket[$__range]))", {"a_bucket"}),
        ('a{b="c"} / on (d) group_left(e) f', {"a", "f"}),
        ("-max(last_over_time(a[15s]))", {"a"}),
        ("0 * count(a == 0) or vector(0) unless b:c offset $__interval", {"a", "b:c"}),
    ],
)
def test_names_are_found_in_expressions(expr: str, found: set[str]) -> None:
    """Functions, labels, words and variables are no metrics."""
    assert names(expr) == found


def _break_query(old: str, new: str) -> Callable[[Json], None]:
    def change(board: Json) -> None:
        text = json.dumps(board)
        assert old in text
        board.update(json.loads(text.replace(old, new)))

    return change


def _first_panel(**values: object) -> Callable[[Json], None]:
    return lambda board: board["panels"][1].update(values)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda board: board.update(editable=True), "editable"),
        (lambda board: board.update(schemaVersion=42), "schemaVersion"),
        (lambda board: board.update(refresh=5), "refresh"),
        (lambda board: board.update(uid="with space"), "uid"),
        (lambda board: board["links"][0].update(placement="inControlsMenu"), "in a menu"),
        (lambda board: board["annotations"]["list"].pop(0), "no alerts"),
        (lambda board: board["templating"]["list"].pop(0), "variable datasource"),
        (lambda board: board["templating"]["list"][1].update(refresh=1), "must refresh"),
        (lambda board: board["templating"]["list"][1].update(allValue=".*"), "by All"),
        (_first_panel(id=2), "unique"),
        (_first_panel(title=""), "no title"),
        (_first_panel(description=""), "no description"),
        (_first_panel(type="xychart"), "9.4"),
        (_first_panel(targets=[]), "no query"),
        (_first_panel(datasource={"uid": "abc"}), "datasource"),
        (lambda board: board["panels"][1]["targets"][0].update(instant=False), "queries instant"),
        (_break_query('"noValue": "nothing fires"', '"noValue": ""'), "why it is empty"),
        (_first_panel(gridPos={"x": 20, "y": 1, "w": 6, "h": 8}), "grid"),
        (_first_panel(gridPos={"x": 0, "y": 1, "w": 9, "h": 8}), "lies on"),
        (_break_query('"unit": "none"', '"unit": "furlong"'), "furlong"),
        (_break_query("wiltonos_loop_pressure{", "wiltonos_loop_stress{"), "no metric"),
        (_break_query("wiltonos_loop_pressure{", "wiltonos_loop_stress{"), "on no panel"),
        (
            _break_query("last_over_time(wiltonos_loop_pressure{", "(wiltonos_loop_pressure{"),
            "stays visible",
        ),
        (_break_query("points[$__rate_interval]", "points[5m]"), "rate over"),
        (_break_query("increase(wiltonos_collapse", "sum(wiltonos_collapse"), "is a counter"),
    ],
)
def test_each_fault_is_found(boards: list[Json], change: Callable[[Json], None], says: str) -> None:
    """A dashboard that somebody spoils is found out."""
    spoilt = copy.deepcopy(boards)
    change(spoilt[0])
    assert any(says in str(finding) for finding in check(spoilt))


def test_doses_without_the_disclaimer_are_found(boards: list[Json]) -> None:
    """A panel that shows doses says what it is not."""
    boards[1]["panels"][0]["description"] = "Doses."
    assert any("disclaimer" in str(finding) for finding in check(boards))


def test_the_catalogue_is_what_panels_are_checked_against() -> None:
    """Each instrument is known under all names that Prometheus gives it."""
    assert "wiltonos_longevity_dose_amount_bucket" in OURS


def test_the_commands_build_and_check(tmp_path: Path) -> None:
    """Build writes once; check notices an edit and says what to do."""
    runner = CliRunner()

    def run(*words: str) -> Any:
        arguments = ["dashboards", *words, "--directory", str(tmp_path)]
        return runner.invoke(wt, arguments, standalone_mode=False)

    assert "wrote" in run("build").output
    assert "nothing changed" in run("build").output
    assert "nothing to mend" in run("check").output
    file = tmp_path / dashboards.DIRECTORY / "wiltonos-longevity.json"
    file.write_text(file.read_text().replace("Longevity", "Longlife"))
    result = run("check")
    assert isinstance(result.exception, OperatorError)
    assert "run it" in str(result.exception)
    assert result.exception.exit_code == 1


def test_the_provisioning_leads_to_files_and_services() -> None:
    """Data sources have fixed uids, and dashboards are read-only files in a folder."""
    base = ROOT / "grafana" / "provisioning"
    sources = yaml.safe_load((base / "datasources" / "wiltonos.yml").read_text())["datasources"]
    assert [source["uid"] for source in sources] == ["wiltonos-prometheus", "wiltonos-alertmanager"]
    assert sources[0]["jsonData"]["timeInterval"] == "5s"
    (provider,) = yaml.safe_load((base / "dashboards" / "wiltonos.yml").read_text())["providers"]
    assert provider["disableDeletion"]
    assert not provider["allowUiUpdates"]
    assert re.fullmatch(r"/etc/grafana/\w+", provider["options"]["path"])
