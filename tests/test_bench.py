"""The benchmarks: what ``wt bench`` prints, and that nothing became grossly slower."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from benchmarks import __main__, phi, pushing, record, scrape
from benchmarks.rows import GOALS, Goal, Row, row

ROOT = Path(__file__).parent.parent
BASELINE: dict[str, float] = json.loads((ROOT / "benchmarks/baseline.json").read_text())
# a busy machine moves ratios of interleaved rounds by a few per cent, a mistake by far more
GROSS = 2.0
MORE_IS_BETTER = {name for name, (_, goal) in GOALS.items() if goal and goal.sign == ">="}


def quick_record() -> Iterable[Row]:
    """The group ``record``, briefly."""
    return record.run(rounds=7)


def quick_phi() -> Iterable[Row]:
    """The group ``phi``, briefly."""
    return phi.run(rounds=3)


def quick_rendering() -> Iterable[Row]:
    """The group ``scrape`` without its servers."""
    return scrape.rendering(rounds=5)


def quick_push() -> Iterable[Row]:
    """The group ``push``, briefly."""
    return pushing.run(rounds=3, loops=1000)


@pytest.mark.benchmark
@pytest.mark.parametrize("measure", [quick_record, quick_phi, quick_rendering, quick_push])
def test_nothing_became_grossly_slower(measure: Callable[[], Iterable[Row]]) -> None:
    """Every stored ratio still holds within a factor of two."""
    measured = {row.name: row.value for row in measure()}
    stored = {name: ratio for name, ratio in BASELINE.items() if name in measured}
    assert stored
    for name, ratio in stored.items():
        value = measured[name]
        assert value is not None, name
        slower = ratio / value if name in MORE_IS_BETTER else value / ratio
        assert slower <= GROSS, f"{name}: {value:.3g}, stored {ratio:.3g}"


def test_only_ratios_are_stored() -> None:
    """Seconds and bytes would tell machines apart, not versions of the code."""
    units = {name: unit for name, (unit, _) in GOALS.items()}
    assert all(units.get(name, "ratio") in ("ratio", "times") for name in BASELINE)


def test_json_has_machine_versions_and_every_promised_row() -> None:
    """Programs read ``wt bench GROUP --json``."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "import", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert {"machine", "versions", "rows"} == set(result)
    assert result["versions"]["opentelemetry-api"]
    rows = {row["name"]: row for row in result["rows"]}
    promised = rows["import.vs_opentelemetry_api"]
    assert set(promised) == {"name", "value", "unit", "goal", "holds"}
    assert promised["goal"] == "<= 1.3"
    assert promised["holds"] == (promised["value"] <= 1.3)
    assert {row["holds"] for row in rows.values() if row["goal"] is None} <= {True}


def test_unknown_group_is_one_line() -> None:
    """Wrong usage names the groups that there are."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no group 'speed'; there are record, phi" in done.stderr


@pytest.mark.parametrize(
    ("goal", "value", "holds"),
    [
        (Goal("<=", 2), 2, True),
        (Goal("<=", 2), 2.1, False),
        (Goal(">=", 15), 15, True),
        (Goal(">=", 15), 14.9, False),
    ],
)
def test_goal_is_reached_at_its_limit(goal: Goal, value: float, holds: bool) -> None:
    """At most, or at least."""
    assert goal.holds(value) is holds
    assert Row("x", value, "s", goal).holds is holds


def test_a_row_without_a_value_reaches_no_goal() -> None:
    """What could not be measured is not passed over in silence."""
    assert not Row("x", None, "s", Goal("<=", 2)).holds
    assert Row("x", None, "s").holds


def test_a_group_that_fails_costs_no_other_its_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was promised of it is there without a value, and the exit code says so."""

    def fail() -> Iterator[Row]:
        yield row("exit.collector_refused_s", 0.5)
        raise RuntimeError("no more ports")

    monkeypatch.setitem(__main__.GROUPS, "exit", fail)
    monkeypatch.setitem(__main__.GROUPS, "phi", lambda: iter([row("phi.sample_us", 1.5)]))
    monkeypatch.setattr(sys, "argv", ["wt bench", "exit", "phi", "--json"])
    assert __main__.main() == 1
    printed = capsys.readouterr()
    rows = {each["name"]: each for each in json.loads(printed.out)["rows"]}
    assert rows["exit.collector_refused_s"]["value"] == 0.5
    assert rows["exit.collector_blackhole_s"] == {
        "name": "exit.collector_blackhole_s",
        "value": None,
        "unit": "s",
        "goal": "<= 2",
        "holds": False,
    }
    assert rows["phi.sample_us"]["holds"] is True
    assert "exit: RuntimeError: no more ports" in printed.err
