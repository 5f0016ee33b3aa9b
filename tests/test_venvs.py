"""The promises on other versions of the SDK and of Python, in environments made for it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# what depends on the SDK and needs nothing but the SDK
SDK_TESTS = (
    "tests/wiltonos_otel/instruments/test_bound.py",
    "tests/wiltonos_otel/instruments/test_coherence.py",
    "tests/wiltonos_otel/instruments/test_observe.py",
    "tests/wiltonos_otel/instruments/test_produced.py",
    "tests/wiltonos_otel/test_fork.py",
    "tests/wiltonos_otel/test_own.py",
    "tests/wiltonos_otel/test_process.py",
    "tests/wiltonos_service/telemetry/test_encoding.py",
    "tests/wiltonos_service/telemetry/test_otlp.py",
    "tests/wiltonos_service/telemetry/test_producer.py",
    "tests/wiltonos_service/telemetry/test_push.py",
)
# what differs between versions of Python: threads and forks, SQLite, docstrings, what is deprecated
PYTHON_TESTS = (
    "tests/test_architecture.py::test_every_module_can_be_imported",
    "tests/test_reference.py",
    "tests/notifier/store/test_contract.py",
    "tests/wiltonos_otel/instruments/test_bound.py",
    "tests/wiltonos_otel/instruments/test_handles.py",
    "tests/wiltonos_otel/phi/test_slope.py",
    "tests/wiltonos_otel/scrape/test_contract.py",
    "tests/wiltonos_otel/scrape/test_reader.py",
    "tests/wiltonos_otel/test_fork.py",
    "tests/wiltonos_otel/test_own.py::test_child_that_is_forked_lets_go_of_the_page",
    "tests/wiltonos_otel/test_own.py::test_child_that_is_forked_ends_without_waiting_for_the_page",
)
UNNAMED = "{} is not set; see requirements/test-venvs"
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def _named(variable: str) -> list[Path]:
    return [Path(path) for path in os.environ.get(variable, "").split(os.pathsep) if path]


def _promised() -> list[str]:
    """The versions of Python that the project is said to run on."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        classifiers = tomllib.load(file)["project"]["classifiers"]
    return [line.rpartition(" ")[2] for line in classifiers if ":: Python :: 3." in line]


def _run(venv: Path, *arguments: str) -> None:
    command = [f"{venv}/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]


SDK_VENVS = _named("WILTONOS_SDK_VENVS")
PYTHON_VENVS = {path.name: path for path in _named("WILTONOS_PYTHON_VENVS")}


@pytest.mark.skipif(not SDK_VENVS, reason=UNNAMED.format("WILTONOS_SDK_VENVS"))
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venv", SDK_VENVS or [Path("none")], ids=lambda venv: venv.name)
def test_library_keeps_its_promises_on_this_sdk(venv: Path) -> None:
    """The same tests, run with the SDK of that environment."""
    _run(venv, *SDK_TESTS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [one for one in _promised() if one != THIS])
def test_project_keeps_its_promises_on_this_python(version: str) -> None:
    """The same tests, run by another Python; warnings are errors there too."""
    if "WILTONOS_PYTHON_VENVS" not in os.environ:
        pytest.skip(UNNAMED.format("WILTONOS_PYTHON_VENVS"))
    venv = PYTHON_VENVS.get(f"python-{version}")
    if venv is None:
        pytest.skip(f"this machine has no Python {version}")
    # PostgreSQL is the same server whoever asks it, and integers are added alike a million times
    _run(venv, "-k", "not postgres and not million", *PYTHON_TESTS)
