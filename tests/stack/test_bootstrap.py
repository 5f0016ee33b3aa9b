"""``wt metrics bootstrap`` and its sisters on the real native stack, from outside."""

import json
import os
import pty
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from wiltonos_otel.stack import native
from wiltonos_otel.stack.plan import ENV_STACK
from wiltonos_otel.stack.ports import LOOPBACK, Ports, is_free
from wiltonos_otel.stack.probe import get, query

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
WT = Path(sys.executable).with_name("wt")
SECONDS = 150


@dataclass
class Checkout:
    """A base directory of its own, on ports of its own.

    Attributes:
        base: directory with an empty configuration.
        offset: port offset at which every port was free.
        env: environment of its commands.
    """

    base: Path
    offset: int
    env: dict[str, str]

    @property
    def ports(self) -> Ports:
        """Where its stack listens."""
        return Ports.at(self.offset)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start ``wt metrics …``."""
        return subprocess.Popen(
            [WT, "metrics", *words],
            cwd=self.base,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wt(self, *words: str) -> tuple[int, str]:
        """Run ``wt metrics …`` to its end: exit code and what it said."""
        process = self.start(*words)
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
            and (line := read(entry / "cmdline").replace("\0", " "))
            and (f"{ENV_STACK}=" in read(entry / "environ"))
            and str(self.base) in read(entry / "environ")
        ]

    def taken_ports(self) -> list[int]:
        """Ports of the stack on which somebody listens."""
        return [port for port in self.ports.by_name().values() if not is_free(port)]


def read(file: Path) -> str:
    """A file of procfs; "" when the process is gone."""
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """The first true answer of the condition."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return answer


def make(base: Path, **env: str) -> Checkout:
    """A directory to bring a stack up in."""
    (base / "wiltonos.toml").touch()
    offsets = (random.randrange(1000, 40000) for _ in range(1000))
    offset = next(n for n in offsets if all(map(is_free, Ports.at(n).by_name().values())))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("WILTONOS_", "OTEL_"))}
    keep = {k: os.environ[k] for k in (native.ENV_BIN,) if k in os.environ}
    stated = {"WILTONOS_CONFIG": str(base / "wiltonos.toml")}
    return Checkout(base, offset, {**inherited, **keep, **stated, **env})


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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A demo stack that is up."""
    made = make(tmp_path_factory.mktemp("demo"))
    code, said = made.bootstrap("--demo")
    try:
        assert code == 0, said
        assert "DEMO: all data is simulated." in said
        for name in ("exporter", "notifier", "prometheus", "alertmanager"):
            assert made.ports.url(name) in said
        yield made
    finally:
        made.wt("down")


def test_phi_can_be_queried_when_bootstrap_ends(demo: Checkout) -> None:
    """The promise of exit code 0."""
    assert query(demo.ports.url("prometheus"), "wiltonos_quantum_coherence_ratio")


def test_every_page_answers(demo: Checkout) -> None:
    """What the table names can be opened."""
    for name in ("exporter", "notifier", "prometheus", "alertmanager"):
        path = "/api/v1/status/buildinfo" if name == "prometheus" else "/"
        assert get(demo.ports.url(name) + path).status == 200, name


def test_second_bootstrap_does_nothing_quickly(demo: Checkout) -> None:
    """The processes stay the same, and it takes at most three seconds of an unshared machine."""
    before = json.loads(demo.wt("status", "--json")[1])
    spent = children_seconds()
    code, said = demo.bootstrap("--demo")
    # it waits for nothing, so that its work is its time; other tests may share the machine
    assert children_seconds() - spent <= 3.0
    assert code == 0, said
    assert "up already" in said
    after = json.loads(demo.wt("status", "--json")[1])
    pids = [[s["pid"] for s in each["services"]] for each in (before, after)]
    assert pids[0] == pids[1]


def children_seconds() -> float:
    """Processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_another_stack_beside_it_is_refused(demo: Checkout) -> None:
    """One directory holds one stack; the line says what differs and what to do."""
    code, said = demo.wt("bootstrap", "--native", "--port-offset", "1")
    assert code == 2
    assert "port offset" in said
    assert "wt metrics down" in said


def test_status_knows_every_service(demo: Checkout) -> None:
    """Names, states and addresses, for scripts too."""
    code, said = demo.wt("status", "--json")
    assert code == 0
    body = json.loads(said)
    assert body["well"] is True
    assert body["demo"] is True
    assert {service["name"] for service in body["services"]} >= {
        "exporter",
        "longevity",
        "notifier",
        "collector",
        "prometheus",
        "alertmanager",
        "simulator",
    }


def test_doctor_walks_every_hop(demo: Checkout) -> None:
    """A healthy stack has no broken hop."""
    healthy = until(
        lambda: (answer := demo.wt("doctor", "--json"))[0] == 0 and answer, "a healthy stack"
    )
    hops = json.loads(healthy[1])["hops"]
    assert [hop["hop"] for hop in hops] == [
        "state files",
        "exporter",
        "Collector",
        "Prometheus",
        "push interval",
        "rules",
        "Alertmanager",
        "notifier",
        "chat channels",
    ]


def test_logs_of_one_service(demo: Checkout) -> None:
    """The last lines of a service, without colour codes for a pipe."""
    code, said = demo.wt("logs", "prometheus")
    assert code == 0
    assert "Server is ready to receive web requests" in said
    assert "\x1b" not in said


def test_doctor_names_the_broken_hop_and_the_service_comes_back(demo: Checkout) -> None:
    """A killed Alertmanager is seen, and supervisor starts it again."""
    services = json.loads(demo.wt("status", "--json")[1])["services"]
    pid = next(s["pid"] for s in services if s["name"] == "alertmanager")
    os.kill(pid, signal.SIGSTOP)
    try:
        code, said = demo.wt("doctor")
        assert code == 1
        assert "Alertmanager\tbroken\tdoes not answer" in said
        assert "wt metrics logs alertmanager" in said
    finally:
        os.kill(pid, signal.SIGKILL)
    url = demo.ports.url("alertmanager") + "/-/ready"
    until(lambda: get(url).ok, "Alertmanager's return")


def test_token_is_asked_for_by_the_webhook(demo: Checkout) -> None:
    """Alertmanager's messages arrive because it has the token; a stranger's do not."""
    url = demo.ports.url("notifier") + "/api/v1/alertmanager"
    code = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-d", "{}", url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert code == "401"
    assert (demo.base / "secrets/notifier_token").stat().st_mode & 0o777 == 0o600


def test_down_leaves_no_process_and_no_port(demo: Checkout) -> None:
    """After it, nothing shows that a stack was here but its data."""
    assert demo.processes()
    code, said = demo.wt("down")
    assert code == 0, said
    assert demo.processes() == []
    assert demo.taken_ports() == []
    assert demo.wt("status")[0] == 1


def test_purge_asks_or_is_told(demo: Checkout) -> None:
    """Without a terminal it wants --yes; with it data and secrets go, named first."""
    code, said = demo.wt("down", "--purge")
    assert code == 2
    assert "--yes" in said
    assert (demo.base / "var/stack").exists()
    code, said = demo.wt("down", "--purge", "--yes")
    assert code == 0
    assert f"will be removed: {demo.base / 'var/stack'}" in said
    assert not (demo.base / "var/stack").exists()
    assert not (demo.base / "secrets/notifier_token").exists()


def test_taken_port_is_named_and_nothing_starts(checkout: Checkout) -> None:
    """The line names the port, what needs it and who has it."""
    with socket.create_server((LOOPBACK, checkout.ports.alertmanager)):
        code, said = checkout.bootstrap("--demo")
    assert code == 1
    (line,) = said.strip().splitlines()
    assert f"port {checkout.ports.alertmanager}, needed by Alertmanager" in line
    assert f"(process {os.getpid()})" in line
    assert checkout.processes() == []


def test_without_state_files_it_says_so_and_succeeds(checkout: Checkout) -> None:
    """Nobody to ask: the limits are waited for, and no alarm is raised for absence."""
    code, said = checkout.bootstrap()
    assert code == 0, said
    assert f"{checkout.base / 'state'} is empty" in said
    prometheus = checkout.ports.url("prometheus")
    assert query(prometheus, "wiltonos_soft_steer_limit")
    firing = {each["metric"]["alertname"] for each in query(prometheus, 'ALERTS{severity!="none"}')}
    assert firing <= {"WiltonosWatchdog"}


def test_at_a_terminal_it_asks_once_and_simulates(checkout: Checkout) -> None:
    """Without state files a person is asked; yes means a demo."""
    ours, theirs = pty.openpty()
    words = ["bootstrap", "--native", "--port-offset", str(checkout.offset)]
    process = subprocess.Popen(
        [WT, "metrics", *words],
        cwd=checkout.base,
        env={**checkout.env, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        while b"[y/N]" not in said:
            said += read_within(terminal, 60)
        terminal.write(b"y\n")
        while part := read_within(terminal, SECONDS):
            said += part
    assert process.wait(30) == 0, said.decode()
    text = said.decode()
    assert f"There are no state files in {checkout.base / 'state'}." in text
    assert "DEMO: all data is simulated." in text
    assert query(checkout.ports.url("prometheus"), "wiltonos_quantum_coherence_ratio")


def read_within(terminal: FileIO, seconds: float) -> bytes:
    """What the other side wrote; b"" once it has closed."""
    readable, _, _ = select.select([terminal], [], [], seconds)
    assert readable, f"silence for {seconds} s"
    try:
        return terminal.read(4096)
    except OSError:
        # how Linux says that nobody holds the terminal any more
        return b""


def test_program_that_does_not_stay_up_is_the_broken_hop(tmp_path: Path) -> None:
    """Exit 1, with the program's own last words; the wait is cut short."""
    programs = native.installed()
    assert programs is not None
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("otelcol", "alertmanager"):
        (binaries / name).symlink_to(getattr(programs, name))
    broken = binaries / "prometheus"
    broken.write_text("#!/bin/sh\necho 'the disk fell off' >&2\nexit 1\n")
    broken.chmod(0o755)
    base = tmp_path / "base"
    base.mkdir()
    checkout = make(base, **{native.ENV_BIN: str(binaries)})
    try:
        code, said = checkout.bootstrap("--demo")
        assert code == 1
        assert "prometheus does not stay up: the disk fell off" in said
        assert "wt metrics down" in said
    finally:
        checkout.wt("down")
    assert checkout.processes() == []


def test_interrupt_while_building_leaves_nothing(tmp_path: Path) -> None:
    """Our pages are up while the build runs; Ctrl-C, even twice, ends all of it."""
    path = tmp_path / "path"
    path.mkdir()
    go = path / "go"
    go.write_text('#!/bin/sh\n[ "$1" = version ] && { echo go version go1.99; exit; }\nsleep 300\n')
    go.chmod(0o755)
    base = tmp_path / "base"
    base.mkdir()
    checkout = make(base, PATH=f"{path}:{os.environ['PATH']}", XDG_CACHE_HOME=str(tmp_path / "c"))
    checkout.env.pop(native.ENV_BIN, None)
    process = checkout.start(
        "bootstrap", "--native", "--demo", "--port-offset", str(checkout.offset)
    )
    try:
        assert process.stdout is not None
        said = "".join(iter(lambda: read_until(process, "OpenTelemetry Collector 0"), ""))
        assert f"exporter {checkout.ports.url('exporter')}/" in said
        assert get(checkout.ports.url("exporter") + "/-/ready").ok
    finally:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        rest, _ = process.communicate(timeout=60)
    assert "nothing is left running" in rest
    assert process.returncode in (130, -signal.SIGINT)
    assert checkout.processes() == []
    assert checkout.taken_ports() == []
    assert not list((tmp_path / "c/wiltonos/native").glob(".*"))


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    """The next line; "" once a line with the mark was read."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it ended early"
    return "" if mark in line else line


def test_lost_supervisor_loses_no_process(checkout: Checkout) -> None:
    """After kill -9 of supervisord, down still finds and ends every child."""
    code, said = checkout.bootstrap("--demo")
    assert code == 0, said
    pid = int((checkout.base / "var/stack/supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    until(lambda: not read(Path(f"/proc/{pid}/cmdline")), "the end of supervisord")
    assert checkout.processes()
    assert checkout.wt("down")[0] == 0
    assert checkout.processes() == []
    assert checkout.taken_ports() == []
