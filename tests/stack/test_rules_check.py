"""`wt rules build|check`: what is out of date or at fault is named in one line."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from wiltonos_otel.cli.rules import rules
from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import render, rules_check
from wiltonos_otel.stack.rules_coherence import PHI
from wiltonos_service.errors import OperatorError

ROOT = Path(__file__).parent.parent.parent
UNIT_TESTS = sorted((ROOT / rules_check.TESTS).glob("*.yml"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The default files and their unit tests, in a directory of the test."""
    render.write(tmp_path, render.compose())
    shutil.copytree(ROOT / rules_check.TESTS, tmp_path / rules_check.TESTS)
    return tmp_path


@pytest.mark.stack
@pytest.mark.parametrize("test", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_keep_every_promise(
    binaries: Mapping[str, Path], directory: Path, test: Path
) -> None:
    """The unit tests hold, with minutes that must stay silent among them."""
    step = rules_check.Step(
        test.name, "promtool", ("test", "rules", str(directory / rules_check.TESTS / test.name))
    )
    rules_check.run(step, binaries["promtool"])


@pytest.mark.stack
@pytest.mark.parametrize(
    ("change", "test", "only"),
    [
        (("for: 2s", "for: 1s"), "silent", "values at the edge"),
        ((f"or last_over_time({PHI}[15s]) < 0.73", ""), "fire", "downward"),
        (("offset 17s", "offset 2s"), "silent", "a return after a long gap"),
    ],
)
def test_a_rule_that_breaks_a_promise_is_found(
    binaries: Mapping[str, Path], directory: Path, change: tuple[str, str], test: str, only: str
) -> None:
    """The unit tests fail when a hold, an edge or the guard of the first minute is changed."""
    file = directory / render.RULES
    text = file.read_text("utf-8")
    assert change[0] in text
    file.write_text(text.replace(*change), "utf-8")
    path = directory / rules_check.TESTS / f"{test}.yml"
    step = rules_check.Step("rules", "promtool", ("test", "rules", f"--run={only}", str(path)))
    with pytest.raises(WiltonosError, match="promtool found fault"):
        rules_check.run(step, binaries["promtool"])


@pytest.mark.stack
def test_a_jump_does_not_enter_its_own_median_while_it_is_held(
    binaries: Mapping[str, Path], tmp_path: Path
) -> None:
    """A hold longer than half the median's window still ends in an alert."""
    render.write(tmp_path, render.compose(Policy(jump_hold_seconds=20)))
    test = tmp_path / "jump.yml"
    test.write_text(
        """
rule_files: [prometheus/rules/wiltonos.rules.yml]
evaluation_interval: 1s
tests:
  - interval: 1s
    input_series:
      - {series: wiltonos_quantum_coherence_ratio, values: 0.75x59 0.8x30}
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{alertname="WiltonosPhiJump", alertstate="firing"})
        eval_time: 80s
        exp_samples: [{labels: '{alertname="WiltonosPhiJump"}', value: 1}]
""",
        "utf-8",
    )
    step = rules_check.Step("jump", "promtool", ("test", "rules", str(test)))
    rules_check.run(step, binaries["promtool"])


def test_files_that_differ_from_their_source_are_named(tmp_path: Path) -> None:
    """A forgotten `wt rules build` is told of, file by file."""
    rendered = render.compose()
    render.write(tmp_path, rendered)
    assert rules_check.outdated(tmp_path, rendered) == []
    (tmp_path / render.ALERTMANAGER_CONFIG).unlink()
    (tmp_path / render.COLLECTOR_CONFIG).write_text("receivers: {}\n", "utf-8")
    assert rules_check.outdated(tmp_path, rendered) == [
        render.COLLECTOR_CONFIG,
        render.ALERTMANAGER_CONFIG,
    ]


def test_build_writes_the_policy_of_the_configuration_and_check_compares(tmp_path: Path) -> None:
    """The policy of wiltonos.toml is in the rules beside it; check without build fails."""
    config = tmp_path / "wiltonos.toml"
    config.write_text("[coherence]\ntolerance = 0.015\n", "utf-8")
    runner, words = CliRunner(), ["--config", str(config)]
    early = runner.invoke(rules, ["check", *words])
    assert isinstance(early.exception, OperatorError)
    assert "run: wt rules build" in str(early.exception)
    assert runner.invoke(rules, ["build", *words]).exit_code == 0
    assert "> 0.765" in (tmp_path / render.RULES).read_text("utf-8")
    assert "nothing to change" in runner.invoke(rules, ["build", *words]).output
    assert rules_check.outdated(tmp_path, render.compose(Policy(tolerance=0.015))) == []


@pytest.mark.stack
def test_a_program_that_finds_fault_is_quoted(binaries: Mapping[str, Path], tmp_path: Path) -> None:
    """The error names the file, the program and what it said."""
    render.write(tmp_path, render.compose())
    (tmp_path / render.RULES).write_text("groups: [{name: a, rules: [{alert: A}]}]\n", "utf-8")
    step = rules_check.steps(tmp_path)[0]
    with pytest.raises(WiltonosError, match=r"(?s)promtool found fault:.*wiltonos\.rules\.yml"):
        rules_check.run(step, binaries["promtool"])
