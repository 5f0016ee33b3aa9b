"""Each extra by itself brings what its commands need: ``pip install "wiltonos-otel[…]"``."""

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

ROOT = Path(__file__).parent.parent
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
SERVICES = {"exporter": "exporter run", "longevity": "longevity serve", "notifier": "notifier run"}
READY_SECONDS = 60
SENDING = """
import wiltonos_otel
wiltonos_otel.configure(service_name="alone")
wiltonos_otel.coherence.set(0.75)
wiltonos_otel.shutdown()
"""

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(UV is None, reason="uv is not installed; ./wt brings one"),
]
Install = Callable[[str], Path]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Install:
    """Installs the wheel with one extra into an environment of its own; returns its programs."""
    directory = tmp_path_factory.mktemp("extras")

    def make(extra: str) -> Path:
        venv = directory / (extra or "none")
        if not venv.exists():
            _uv("venv", "--quiet", "--python", sys.executable, str(venv))
            lock = str(ROOT / "requirements" / "run.lock")
            wanted = f"{wheel}[{extra}]" if extra else str(wheel)
            program = str(venv / "bin" / "python")
            _uv("pip", "install", "--quiet", "--python", program, "--constraint", lock, wanted)
        return venv / "bin"

    return make


def _uv(*arguments: str) -> None:
    assert UV is not None
    subprocess.run([UV, *arguments], check=True, capture_output=True, text=True)


@pytest.mark.parametrize(("extra", "command"), SERVICES.items())
def test_a_service_runs_with_its_own_extra_alone(
    install: Install, tmp_path: Path, unused_tcp_port: int, extra: str, command: str
) -> None:
    """It answers, and ends when it is asked to."""
    listen = f"127.0.0.1:{unused_tcp_port}"
    process = subprocess.Popen(
        [str(install(extra) / "wt"), *command.split()],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], f"WILTONOS__{extra.upper()}__LISTEN": listen},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    healthy = _answers(f"http://{listen}/-/healthy", process)
    process.terminate()
    said, _ = process.communicate(timeout=30)
    assert healthy, said
    assert process.returncode == 0, said


def _answers(url: str, process: "subprocess.Popen[str]") -> bool:
    limit = monotonic() + READY_SECONDS
    while process.poll() is None and monotonic() < limit:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
        sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("extra", "command", "wanted"),
    [
        ("", "phi", "all"),
        ("exporter", "notifier run", "notifier"),
        ("exporter", "longevity list", "longevity"),
        ("exporter", "rules check", "stack"),
        ("exporter", "metrics bootstrap", "all"),
        ("longevity", "exporter run", "exporter"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    install: Install, tmp_path: Path, extra: str, command: str, wanted: str
) -> None:
    """No traceback for what can be installed."""
    done = subprocess.run(
        [str(install(extra) / "wt"), *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(f'is not installed; run: pip install "wiltonos-otel[{wanted}]"')


def test_postgresql_without_its_driver_is_one_line(install: Install, tmp_path: Path) -> None:
    """The notifier alone knows SQLite; the other database is an extra of its own."""
    done = subprocess.run(
        [str(install("notifier") / "wt"), "notifier", "run"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "WILTONOS__NOTIFIER__DATABASE": "postgresql://h/n"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('run: pip install "wiltonos-otel[postgres]"')


@pytest.mark.parametrize("extra", ["", "sdk"])
def test_the_library_runs_alone_and_with_the_sdk(install: Install, extra: str) -> None:
    """Without an SDK it says once that nothing is exported; with one it needs nothing else."""
    done = subprocess.run(
        [str(install(extra) / "python"), "-c", SENDING],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("is not installed: nothing is exported" in done.stderr) is (extra == "")
