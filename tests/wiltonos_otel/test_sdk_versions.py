"""The library on other versions of the SDK, in environments that somebody made for it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# what depends on the SDK and needs nothing but the SDK
TESTS = (
    "tests/wiltonos_otel/instruments/test_bound.py",
    "tests/wiltonos_otel/instruments/test_coherence.py",
    "tests/wiltonos_otel/instruments/test_observe.py",
    "tests/wiltonos_otel/test_fork.py",
    "tests/wiltonos_otel/test_process.py",
    "tests/wiltonos_service/telemetry/test_push.py",
)
VENVS = [path for path in os.environ.get("WILTONOS_SDK_VENVS", "").split(os.pathsep) if path]


@pytest.mark.skipif(not VENVS, reason="WILTONOS_SDK_VENVS names none; see requirements/sdk-venvs")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venv", VENVS or ["none"])
def test_library_keeps_its_promises_on_this_sdk(venv: str) -> None:
    """The same tests, run by the interpreter of that environment."""
    command = [f"{venv}/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:]
