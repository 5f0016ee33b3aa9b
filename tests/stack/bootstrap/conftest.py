"""A directory of its own for each stack that bootstrap brings up, ended whatever happens."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ports import free_offset
from wiltonos_otel.stack import native
from wiltonos_otel.stack.plan import ENV_STACK
from wiltonos_otel.stack.ports import Ports, is_free

WT = Path(sys.executable).with_name("wt")
SECONDS = 150
MakeCheckout = Callable[..., "Checkout"]


@dataclass
class Checkout:
    """A base directory of its own, on ports of its own.

    Attributes:
        base: directory with an empty configuration.
        offset: port offset at which every port was free.
        env: environment of its commands.
        program: the ``wt`` of this environment.
    """

    base: Path
    offset: int
    env: dict[str, str]
    program: Path = WT

    @property
    def ports(self) -> Ports:
        """Where its stack listens."""
        return Ports.at(self.offset)

    def start(self, *words: str, group: str = "metrics") -> subprocess.Popen[str]:
        """Start ``wt metrics …``, or a command of another group."""
        return subprocess.Popen(
            [self.program, group, *words],
            cwd=self.base,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wt(self, *words: str, group: str = "metrics") -> tuple[int, str]:
        """Run ``wt metrics …``, or another group's command, to its end: exit code, what it said."""
        process = self.start(*words, group=group)
        said, _ = process.communicate(timeout=SECONDS)
        return process.returncode, said

    def bootstrap(self, *words: str) -> tuple[int, str]:
        """Run bootstrap, natively and on this offset."""
        return self.wt("bootstrap", "--native", "--port-offset", str(self.offset), *words)

    def processes(self) -> list[str]:
        """Command lines of all processes that a stack of this directory started."""
        return [
            line
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            and (line := _read(entry / "cmdline").replace("\0", " "))
            and (f"{ENV_STACK}=" in _read(entry / "environ"))
            and str(self.base) in _read(entry / "environ")
        ]

    def taken_ports(self) -> list[int]:
        """Ports of the stack on which somebody listens."""
        return [port for port in self.ports.by_name().values() if not is_free(port)]

    def command(self, pid: int) -> str:
        """Command line of a process; "" when it is gone."""
        return _read(Path(f"/proc/{pid}/cmdline"))

    @staticmethod
    def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """The first true answer of the condition."""
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)
        return answer


def _read(file: Path) -> str:
    """A file of procfs; "" when the process is gone."""
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def make(base: Path, **env: str) -> Checkout:
    """A directory to bring a stack up in."""
    (base / "wiltonos.toml").touch()
    offset = free_offset()
    foreign = ("WILTONOS_", "OTEL_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    if stated_programs := os.environ.get(native.ENV_BIN):
        inherited[native.ENV_BIN] = stated_programs
    stated = {"WILTONOS_CONFIG": str(base / "wiltonos.toml")}
    return Checkout(base, offset, {**inherited, **stated, **env})


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if native.installed() is None:
        pytest.skip("not built yet; run ./wt metrics build")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A fresh directory; whatever a test leaves running is ended."""
    made = make(tmp_path)
    yield made
    made.wt("down")
    assert made.processes() == []


@pytest.fixture(scope="session")
def make_checkout() -> MakeCheckout:
    """Makes a directory to bring a stack up in; variables of its environment by name."""
    return make
