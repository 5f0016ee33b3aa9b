"""``wt metrics bootstrap`` and its sisters on the real native stack, from outside."""

import json
import os
import pty
import resource
import select
import shlex
import signal
import subprocess
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from wiltonos_otel.stack.probe import get, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stack.bootstrap.conftest import Checkout, MakeCheckout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def demo(
    tmp_path_factory: pytest.TempPathFactory, make_checkout: "MakeCheckout"
) -> "Iterator[Checkout]":
    """A demo stack that is up."""
    made = make_checkout(tmp_path_factory.mktemp("demo"))
    code, said = made.bootstrap("--demo")
    try:
        assert code == 0, said
        assert "DEMO: all data is simulated." in said
        for name in ("exporter", "notifier", "prometheus", "alertmanager"):
            assert made.ports.url(name) in said
        yield made
    finally:
        made.wt("down")


def test_phi_can_be_queried_when_bootstrap_ends(demo: "Checkout") -> None:
    """The promise of exit code 0."""
    assert query(demo.ports.url("prometheus"), "wiltonos_quantum_coherence_ratio")


def test_every_page_answers(demo: "Checkout") -> None:
    """What the table names can be opened."""
    for name in ("exporter", "notifier", "prometheus", "alertmanager"):
        path = "/api/v1/status/buildinfo" if name == "prometheus" else "/"
        assert get(demo.ports.url(name) + path).status == 200, name


def test_second_bootstrap_does_nothing_quickly(demo: "Checkout") -> None:
    """The processes stay the same, and it takes at most three seconds of an unshared machine."""
    before = pids(demo)
    spent = children_seconds()
    code, said = demo.bootstrap("--demo")
    # it waits for nothing, so that its work is its time; other tests may share the machine
    assert children_seconds() - spent <= 3.0
    assert code == 0, said
    assert "up already" in said
    assert pids(demo) == before


def pids(checkout: "Checkout") -> dict[str, int]:
    """Process by service."""
    services = json.loads(checkout.wt("status", "--json")[1])["services"]
    return {service["name"]: service["pid"] for service in services}


def children_seconds() -> float:
    """Processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_another_stack_beside_it_is_refused(demo: "Checkout") -> None:
    """One directory holds one stack; the line says what differs and what to do."""
    code, said = demo.wt("bootstrap", "--native", "--port-offset", "1")
    assert code == 2
    assert "port offset" in said
    assert "wt metrics down" in said
    same = shlex.split(said.strip().rpartition("ask for the same: ")[2])
    code, said = demo.wt(*same[2:])
    assert code == 0
    assert "The stack is up already." in said


def test_status_knows_every_service(demo: "Checkout") -> None:
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


def test_doctor_walks_every_hop(demo: "Checkout") -> None:
    """A healthy stack has no broken hop."""
    code, said = demo.wt("doctor", "--json")
    assert code == 0, said
    hops = json.loads(said)["hops"]
    assert [hop["hop"] for hop in hops] == [
        "state files",
        "exporter",
        "Collector",
        "Prometheus",
        "push interval",
        "rules",
        "Alertmanager",
        "Prometheus → Alertmanager",
        "notifier",
        "chat channels",
        "SDK → Collector",
        "Collector → Prometheus",
        "names",
        "Alertmanager → notifier",
        "refused points",
        "attribute overflow",
        "clocks",
    ]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("phi", ["--json"]),
        ("longevity", ["info", "--json"]),
        ("notifier", ["dead-letters", "list", "--json"]),
    ],
)
def test_operators_need_neither_offset_nor_token(
    demo: "Checkout", group: str, words: list[str]
) -> None:
    """Commands find the running services by the record of the stack."""
    code, said = demo.wt(*words, group=group)
    assert code == 0, said
    assert json.loads(said)


def test_logs_of_one_service(demo: "Checkout") -> None:
    """The last lines of a service, without colour codes for a pipe."""
    code, said = demo.wt("logs", "prometheus")
    assert code == 0
    assert "Server is ready to receive web requests" in said
    assert "\x1b" not in said


def test_doctor_names_the_broken_hop_and_the_service_comes_back(demo: "Checkout") -> None:
    """A killed Alertmanager is seen, and supervisor starts it again."""
    pid = pids(demo)["alertmanager"]
    os.kill(pid, signal.SIGSTOP)
    try:
        code, said = demo.wt("doctor")
        assert code == 1
        assert "Alertmanager\tbroken\tdoes not answer" in said
        assert "wt metrics logs alertmanager" in said
    finally:
        os.kill(pid, signal.SIGKILL)
    url = demo.ports.url("alertmanager") + "/-/ready"
    demo.until(lambda: get(url).ok, "Alertmanager's return")


def test_token_is_asked_for_by_the_webhook(demo: "Checkout") -> None:
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


def test_down_leaves_no_process_and_no_port(demo: "Checkout") -> None:
    """After it, nothing shows that a stack was here but its data."""
    assert demo.processes()
    code, said = demo.wt("down")
    assert code == 0, said
    assert demo.processes() == []
    assert demo.taken_ports() == []
    assert demo.wt("status")[0] == 1


def test_purge_asks_or_is_told(demo: "Checkout") -> None:
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


def test_without_state_files_it_says_so_and_succeeds(checkout: "Checkout") -> None:
    """Nobody to ask: the limits are waited for, and no alarm is raised for absence."""
    code, said = checkout.bootstrap()
    assert code == 0, said
    assert f"{checkout.base / 'state'} is empty" in said
    prometheus = checkout.ports.url("prometheus")
    assert query(prometheus, "wiltonos_soft_steer_limit")
    firing = {each["metric"]["alertname"] for each in query(prometheus, 'ALERTS{severity!="none"}')}
    assert firing <= {"WiltonosWatchdog"}


def test_at_a_terminal_it_asks_once_and_simulates(checkout: "Checkout") -> None:
    """Without state files a person is asked; yes means a demo."""
    ours, theirs = pty.openpty()
    words = ["bootstrap", "--native", "--port-offset", str(checkout.offset)]
    process = subprocess.Popen(
        [checkout.program, "metrics", *words],
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
        while part := read_within(terminal, 150):
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
