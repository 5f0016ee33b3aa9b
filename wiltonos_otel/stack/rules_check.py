"""Checks of the generated configuration: is it current, and do the real programs accept it."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import flags, native, render

TESTS = Path("tests/stack/rules")
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One check by a real program.

    Attributes:
        title: what is checked.
        program: name of the program.
        arguments: its arguments.
    """

    title: str
    program: str
    arguments: tuple[str, ...]


def outdated(directory: Path, rendered: Mapping[str, str]) -> list[str]:
    """Names of files under ``directory`` that differ from what their source makes."""
    return [
        name
        for name, text in rendered.items()
        if not (directory / name).is_file() or (directory / name).read_text("utf-8") != text
    ]


def find(program: str) -> Path | None:
    """A program of the native stack, else one on PATH, else None."""
    if built := native.program(program):
        return built
    found = shutil.which(program)
    return Path(found) if found else None


def steps(directory: Path) -> tuple[Step, ...]:
    """What to ask the programs about the files under ``directory``."""
    return (
        Step(
            "prometheus.yml and rules",
            "promtool",
            ("check", "config", str(directory / render.PROMETHEUS_CONFIG)),
        ),
        Step(
            "alertmanager.yml",
            "amtool",
            ("check-config", str(directory / render.ALERTMANAGER_CONFIG)),
        ),
        Step(
            "otel-config.yaml",
            "otelcol",
            ("validate", *flags.collector(directory / render.COLLECTOR_CONFIG)),
        ),
    )


def run(step: Step, program: Path) -> None:
    """Run a check.

    Raises:
        WiltonosError: the program found fault; the text holds what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [str(program), *step.arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WiltonosError(
            f"{step.title}: {step.program} did not end in {TIMEOUT_SECONDS} s"
        ) from None
    if done.returncode:
        said = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if line.strip())
        raise WiltonosError(f"{step.title}: {step.program} found fault:\n{said}")


def run_unit_tests(checkout: Path, promtool: Path) -> int:
    """Run the unit tests against the rules of the default policy; returns how many files.

    Raises:
        WiltonosError: a rule does not keep its promise.
    """
    with tempfile.TemporaryDirectory(prefix="wiltonos-rules-") as temporary:
        root = Path(temporary)
        render.write(root, render.compose())
        copied = shutil.copytree(checkout / TESTS, root / TESTS)
        tests = sorted(copied.glob("*.yml"))
        for test in tests:
            run(Step(test.name, "promtool", ("test", "rules", str(test))), promtool)
    return len(tests)
