"""Bootstrap when something goes wrong: nothing is left half running, and the reason is named."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wiltonos_otel.stack import native
from wiltonos_otel.stack.probe import get

if TYPE_CHECKING:
    from tests.stack.bootstrap.conftest import Checkout, MakeCheckout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_program_that_does_not_stay_up_is_the_broken_hop(
    tmp_path: Path, make_checkout: "MakeCheckout"
) -> None:
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
    checkout = make_checkout(base, **{native.ENV_BIN: str(binaries)})
    try:
        code, said = checkout.bootstrap("--demo")
        assert code == 1
        assert "prometheus does not stay up: the disk fell off" in said
        assert "wt metrics down" in said
    finally:
        checkout.wt("down")
    assert checkout.processes() == []


def test_interrupt_while_building_leaves_nothing(
    tmp_path: Path, make_checkout: "MakeCheckout"
) -> None:
    """Our pages are up while the build runs; Ctrl-C, even twice, ends all of it."""
    path = tmp_path / "path"
    path.mkdir()
    go = path / "go"
    go.write_text('#!/bin/sh\n[ "$1" = version ] && { echo go version go1.99; exit; }\nsleep 300\n')
    go.chmod(0o755)
    base = tmp_path / "base"
    base.mkdir()
    checkout = make_checkout(
        base, PATH=f"{path}:{os.environ['PATH']}", XDG_CACHE_HOME=str(tmp_path / "c")
    )
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


def test_lost_supervisor_loses_no_process(checkout: "Checkout") -> None:
    """After kill -9 of supervisord, down still finds and ends every child."""
    code, said = checkout.bootstrap("--demo")
    assert code == 0, said
    pid = int((checkout.base / "var/stack/supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    checkout.until(lambda: not checkout.command(pid), "the end of supervisord")
    assert checkout.processes()
    assert checkout.wt("down")[0] == 0
    assert checkout.processes() == []
    assert checkout.taken_ports() == []
