"""The wheel: what a checkout can do, an installed ``wt`` can do."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRACKED = ("collector", "prometheus", "grafana", "docker-compose.yml", "Dockerfile")


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel holds."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_the_wheel_carries_every_tracked_file_of_the_stack(unpacked: Path) -> None:
    """Configuration, rules and dashboards travel in the wheel as they are committed."""
    listed = subprocess.run(
        ["git", "ls-files", *TRACKED], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = unpacked / "wiltonos_otel" / "stack" / "files"
    for name in listed.stdout.split():
        assert (files / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_the_wheel_carries_the_runbooks(unpacked: Path) -> None:
    """Where ``runbook_url`` leads is there without the checkout."""
    files = unpacked / "notifier" / "web" / "files" / "runbooks"
    for path in (ROOT / "docs" / "runbooks").glob("*.md"):
        assert (files / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_wheel_carries_every_file_of_the_packages(unpacked: Path) -> None:
    """No page, schema, migration or catalogue of words is left behind."""
    listed = subprocess.run(
        ["git", "ls-files", "wiltonos_otel", "wiltonos_service", "notifier"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not [name for name in listed.stdout.split() if not (unpacked / name).is_file()]


@pytest.mark.parametrize("command", [["--version"], ["rules", "--help"], ["notifier", "--help"]])
def test_the_wheel_runs_away_from_the_checkout(
    unpacked: Path, tmp_path: Path, command: list[str]
) -> None:
    """An installed command finds its code and its files without the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", "from wiltonos_otel.cli.entry import main; main()", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
