"""``wt phi`` against the exporter's own routes, and what it draws."""

import asyncio
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from io import StringIO
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from wiltonos_otel.cli.phi_view import SPARK_COLUMNS, show, sparkline, why_not_now
from wiltonos_otel.phi import Snapshot, Tracker
from wiltonos_otel.policy import Policy
from wiltonos_otel.web.app import LivePage, View
from wiltonos_otel.web.view import SourceHealth, view_all, view_now, view_policy
from wiltonos_service.cli import wt
from wiltonos_service.errors import OperatorError

POLICY = Policy()
START_MS = 1_795_000_000_000
HEALTH = SourceHealth("state", "state", {}, [], simulated=False)


WT = (sys.executable, "-c", "from wiltonos_otel.cli.entry import main; main()")
Run = Callable[..., Awaitable[Result]]


class World:
    """A signal, its time, and the page that shows it."""

    def __init__(self) -> None:
        self.tracker = Tracker(POLICY, 60_000)
        self.now_ms = START_MS
        self.health = HEALTH
        self.page = LivePage(lambda: self.tracker.snapshot(self.now_ms), self._view, POLICY, 60)

    def _view(self, snapshot: Snapshot) -> View:
        return view_now(snapshot, self.health, None)

    def run_for(self, seconds: int, phi: float = 0.75) -> None:
        """Sample each second."""
        for _ in range(seconds):
            self.now_ms += 1000
            assert self.tracker.observe(self.now_ms, phi) is None

    def view(self) -> View:
        """What ``/api/v1/phi`` says now."""
        now = self._view(self.tracker.snapshot(self.now_ms))
        return view_all(now, view_policy(POLICY, 60), [])


@pytest.fixture
def world() -> World:
    """A world without samples."""
    return World()


def drawn(view: View, columns: int = 100) -> str:
    """What the terminal shows."""
    console = Console(width=columns, record=True, file=StringIO())
    console.print(show(view, columns))
    return console.export_text()


@pytest.fixture
async def run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """Runs ``wt phi …`` beside a server with the exporter's routes."""
    app = web.Application()
    world.page.install(app)
    async with TestServer(app) as server:
        config = tmp_path / "wiltonos.toml"
        config.write_text(f'[exporter]\nlisten = "127.0.0.1:{server.port}"\n')
        monkeypatch.setenv("WILTONOS_CONFIG", str(config))

        async def invoke(*words: str) -> Result:
            arguments = ["phi", *words, "--config", str(config)]
            return await asyncio.to_thread(CliRunner().invoke, wt, arguments, standalone_mode=False)

        yield invoke


async def test_shows_everything_about_now(world: World, run: Run) -> None:
    """Φ, band, derivatives, Sustained-Good, loops by pressure and the source's age."""
    world.run_for(200)
    world.tracker.observe_loop("calm", world.now_ms, 0.74)
    world.tracker.observe_loop("tense", world.now_ms, 0.6, collapses=4)
    result = await run()
    assert result.exception is None
    text = result.output
    assert "0.7500  in band 0.73 to 0.77" in text
    assert "60s +0.0000" in text
    assert "5m 100.0%" in text
    assert text.index("tense") < text.index("calm")
    assert "last sample 0.0 s ago" in text


async def test_stale_signal_is_one_line_and_exit_1(world: World, run: Run) -> None:
    """No number is shown that no longer holds."""
    world.run_for(10)
    world.now_ms += 73_000
    result = await run()
    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 1
    assert str(result.exception).startswith("Φ is stale: its last sample is 73 s old;")
    assert result.output == ""


async def test_without_a_sample_it_says_what_to_do(run: Run) -> None:
    """Before the first sample the line names the command that helps."""
    result = await run("--once")
    assert "wt state check" in str(result.exception)


async def test_json_is_what_the_exporter_says(world: World, run: Run) -> None:
    """A script gets the whole answer, and exit code 1 when there is no Φ."""
    world.run_for(2)
    told = json.loads((await run("--json")).output)
    assert (told["phi"], told["policy"]["target"]) == (0.75, 0.75)
    world.now_ms += 100_000
    result = await run("--json")
    assert (json.loads(result.output)["phi"], result.return_value) == (None, 1)


@pytest.mark.usefixtures("run")
async def test_terminal_without_the_signs_shows_others(world: World) -> None:
    """A Latin-1 terminal has no Φ, and gets its value all the same."""
    world.run_for(60)
    process = await asyncio.create_subprocess_exec(
        *WT, "phi", stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONIOENCODING": "latin-1"}
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    assert b"0.7500  in band" in out


@pytest.mark.usefixtures("run")
async def test_watching_in_a_dumb_terminal_adds_lines(world: World) -> None:
    """It can take back nothing, and a picture that nobody sees before the end is none."""
    world.run_for(60)
    # whoever is run in the background of a shell ignores it, and so would a child
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *WT, "phi", "--watch", stdout=theirs, env={**os.environ, "TERM": "dumb"}
    )
    signal.signal(signal.SIGINT, before)
    os.close(theirs)
    shown = b""
    try:
        while shown.count(b"\n") < 2:
            shown += await asyncio.wait_for(asyncio.to_thread(os.read, ours, 4096), 30)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
    assert shown.splitlines()[:2] == [b"0.7500 in", b"0.7500 in"]


async def test_no_exporter_is_one_line(tmp_path: Path) -> None:
    """A port on which nobody listens is said with its address and a way on."""
    config = tmp_path / "wiltonos.toml"
    config.write_text('[exporter]\nlisten = "127.0.0.1:9"\n')
    for words in ([], ["--watch"], ["--json"]):
        result = await asyncio.to_thread(
            CliRunner().invoke, wt, ["phi", *words, "--config", str(config)], standalone_mode=False
        )
        assert str(result.exception).startswith("no exporter answers at http://127.0.0.1:9;")


async def test_another_program_is_told_from_an_exporter(tmp_path: Path) -> None:
    """Something else at the address is not mistaken for an exporter without Φ."""
    async with TestServer(web.Application()) as server:
        config = tmp_path / "wiltonos.toml"
        config.write_text(f'[exporter]\nlisten = "127.0.0.1:{server.port}"\n')
        result = await asyncio.to_thread(
            CliRunner().invoke, wt, ["phi", "--config", str(config)], standalone_mode=False
        )
    assert "is answered by another program" in str(result.exception)


def test_held_value_is_called_held(world: World) -> None:
    """Between fresh and stale the value is shown with its age, not as if it were new."""
    world.run_for(10)
    world.now_ms += 20_000
    assert why_not_now(world.view()) == ""
    assert "held: no new sample for 20 s" in drawn(world.view())


def test_watching_a_stale_signal_shows_no_number(world: World) -> None:
    """The watched view says that Φ is stale, and shows neither Φ nor slopes."""
    world.run_for(100)
    world.now_ms += 100_000
    text = drawn(world.view())
    assert "Φ is stale" in text
    assert "dΦ/dt" not in text
    assert "0.75" not in text


@pytest.mark.parametrize("columns", [40, 60, 78, 200])
def test_line_of_bars_fits_every_terminal(world: World, columns: int) -> None:
    """The bars stand in one line between their words."""
    world.run_for(10)
    lines = drawn(world.view(), columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert (
        len([line for line in lines if "10 min" in line and line.rstrip("│ ").endswith("now")]) == 1
    )


def test_loops_give_way_on_a_low_terminal(world: World) -> None:
    """The source and its age stay on the screen, and what is left out is counted."""
    world.run_for(2)
    for number in range(20):
        world.tracker.observe_loop(f"loop{number:02}", world.now_ms, 0.7)
    console = Console(width=60, record=True, file=StringIO())
    console.print(show(world.view(), 60, 24))
    text = console.export_text()
    assert len(text.splitlines()) <= 24
    assert "and 11 more" in text
    assert "last sample" in text


def test_hostile_names_stay_text(world: World) -> None:
    """Control characters and markup of a stranger's loop do nothing."""
    world.run_for(2)
    world.tracker.observe_loop("\x1b[2J[red]x", world.now_ms, 0.7)
    world.health = SourceHealth("state", "a\nb", {}, ["loops/\x07: bad"], simulated=True)
    text = drawn(world.view())
    assert r"\x1b[2J[red]x" in text
    assert r"a\nb" in text
    assert r"loops/\x07: bad" in text
    assert "simulated" in text


@given(
    st.lists(st.tuples(st.integers(0, 1_200_000), st.none() | st.floats(0, 1)), max_size=50).map(
        lambda points: sorted(points, key=lambda point: point[0])
    )
)
def test_sparkline_always_fits(points: list[tuple[int, float | None]]) -> None:
    """Whatever the history, the line has its width; gaps stay blank."""
    line = sparkline(points, 600_000, 0.69, 0.81)
    assert len(line) == SPARK_COLUMNS
    if all(phi is None for _, phi in points):
        assert line.isspace()


def test_sparkline_rises_with_the_signal() -> None:
    """A ramp from bottom to top ends in the lowest and the highest bar."""
    points = [(n * 10_000, 0.69 + 0.12 * n / 59) for n in range(60)]
    line = sparkline(points, 600_000, 0.69, 0.81)
    assert (line[0], line[-1]) == ("▁", "█")
    assert list(line) == sorted(line)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_shows_less_and_breaks_no_number(world: World, columns: int) -> None:
    """Columns that do not fit are left out; what is shown is whole."""
    world.run_for(3)
    loop = {"name": "breath", "phi": 0.7228, "phi_star": 0.72, "pressure": 0.0028}
    view = world.view() | {"loops": [{**loop, "collapses": 12, "last_collapse_ms": None}]}
    shown = drawn(view, columns)
    assert "…" not in shown
    (row,) = (line for line in shown.splitlines() if "breath" in line)
    assert "0.7228" in row
    assert "0.0028" in row
    assert ("12" in row) is (columns > 40)
