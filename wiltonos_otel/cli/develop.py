"""Commands of a checkout: ``wt test``, ``wt lint``, ``wt bench``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from wiltonos_service.errors import OperatorError

# name of what is missing: how to get it on Debian, and which variable names another place
SYSTEM_PROGRAMS = {"chromium": "chromium"}

PYTEST = (sys.executable, "-m", "pytest")
FAST = "not stack and not browser and not durability and not benchmark"
# one more than there are cores: the test of the whole pipeline mostly waits
WORKERS = (os.cpu_count() or 1) + 1


def checkout() -> Path:
    """The checkout that this runs from.

    Raises:
        OperatorError: it is installed.
    """
    from wiltonos_service.settings import checkout_directory

    root = checkout_directory()
    if root is None:
        raise OperatorError("this command works in a checkout of the repository only")
    return root


def _tool(name: str) -> str:
    """A program of this environment, in front of one on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise OperatorError(f"{name} is not installed; run ./wt test, which installs it")
    return found


def _step(
    title: str, command: Sequence[str], root: Path, env: dict[str, str] | None = None
) -> None:
    click.echo(f"── {title}", err=True)
    done = subprocess.run(command, cwd=root, env=env, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise OperatorError(f"{title}: failed (exit {done.returncode}): {' '.join(command[-3:])}")


def _lint(root: Path) -> None:
    steps = (
        ("format", [_tool("ruff"), "format", "--check", "--quiet", "."]),
        ("lint", [_tool("ruff"), "check", "--quiet", "."]),
        ("types", [_tool("mypy")]),
        (
            "YAML",
            [
                _tool("yamllint"),
                "--strict",
                "collector",
                "prometheus",
                "grafana",
                "semconv",
                "docker-compose.yml",
            ],
        ),
        # their unit tests are run by pytest
        ("rules", [_tool("wt"), "rules", "check", "--no-tests"]),
        ("dashboards", [_tool("wt"), "dashboards", "check"]),
        ("reference pages", [_tool("wt"), "docs", "check"]),
    )
    for title, command in steps:
        _step(title, command, root)


def _ensure_system_programs() -> None:
    """Install what the tests need from the system, or name it."""
    missing = [p for name, p in SYSTEM_PROGRAMS.items() if not shutil.which(name)]
    if not missing:
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise OperatorError(
            f"the tests need {', '.join(missing)}; install it (Debian: "
            f"sudo apt-get install {' '.join(missing)}), or run ./wt test --fast"
        )
    for command in ([apt, "update", "-qq"], [apt, "install", "-y", "-qq", *missing]):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _step(f"install {' '.join(missing)}", command, Path("/"), env)


def _other_versions(root: Path) -> dict[str, str]:
    """Variables that name environments with older SDKs and other Pythons; {} without uv."""
    beside = Path(sys.executable).with_name("uv")
    if not beside.exists() and not shutil.which("uv"):
        return {}
    path = f"{beside.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(root / "requirements" / "test-venvs"), str(Path(sys.prefix) / "versions")]
    made = subprocess.run(  # noqa: S603 - our own words
        command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True, check=False
    )
    if made.returncode:
        raise OperatorError(
            "older SDKs and other Pythons: could not be installed; check the network, or --fast"
        )
    return dict(line.split("=", 1) for line in made.stdout.splitlines())


def _ensure_native() -> None:
    _step("native stack (built once, then cached)", [_tool("wt"), "metrics", "build"], checkout())


@click.command()
def lint() -> None:
    """Check format, lint, types and generated files."""
    _lint(checkout())


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--fast", is_flag=True, help="Leave out the real stack, the browser and kill tests.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, fast: bool, pytest_arguments: tuple[str, ...]) -> None:
    """Run every check and every test; what follows -- goes to pytest."""
    root = checkout()
    _lint(root)
    if not fast:
        _ensure_system_programs()
        _ensure_native()
    environ = dict(os.environ) if fast else {**os.environ, **_other_versions(root)}
    chosen = FAST if fast else "not benchmark"
    words = ["-n", str(WORKERS), "--dist=worksteal", "--durations=15", "-m", chosen]
    _step("tests", [*PYTEST, *words, *pytest_arguments], root, environ)
    if not fast and not pytest_arguments:
        _step("benchmarks", [*PYTEST, "-m", "benchmark"], root)


@click.command()
@click.argument("group", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(*, group: str | None, as_json: bool) -> None:
    """Measure ratios against the alternatives, side by side in one run."""
    arguments = [*([group] if group else []), *(["--json"] if as_json else [])]
    root = checkout()
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "benchmarks", *arguments], cwd=root, check=False
    )
    sys.exit(done.returncode)
