"""``wt longevity`` with and without a running service."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.longevity.dose import DISCLAIMER
from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.service import make_application
from wiltonos_otel.settings import load
from wiltonos_service.cli import wt
from wiltonos_service.errors import OperatorError

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose Longevity API does not run."""
    return write_config(tmp_path, port=9)


def write_config(directory: Path, port: int, extra: str = "") -> Path:
    """Name an address and a token."""
    file = directory / "wiltonos.toml"
    file.write_text(
        f'[longevity]\nlisten = "127.0.0.1:{port}"\n{extra}'
        '[telemetry]\notlp_endpoint = "http://127.0.0.1:9"\n'
    )
    return file


@pytest.fixture
def run(config: Path) -> Run:
    """Runs ``wt longevity …`` in this process; a failure comes back as the error itself."""
    return lambda *words: CliRunner().invoke(
        wt, ["longevity", *words, "--config", str(config)], standalone_mode=False
    )


def error(result: Result) -> OperatorError:
    """What the command would print as one line."""
    assert isinstance(result.exception, OperatorError), result.exception
    return result.exception


@asynccontextmanager
async def service(directory: Path, extra: str = "") -> AsyncIterator[None]:
    """The API, with the configuration pointing at it."""
    loaded = load(config=write_config(directory, 9, extra), environ={})
    ledger = Ledger(loaded.database_url(loaded.settings.longevity.database), SystemClock())
    async with TestServer(make_application(loaded, ledger)) as server:
        write_config(directory, server.port or 0, extra)
        yield


def test_a_dose_in_words(run: Run) -> None:
    """The command of the README records, says what it kept and adds the disclaimer."""
    result = run("dose", "Resveratrol", "0.5", "g", "--notes", "before\nbreakfast")
    assert result.exit_code == 0
    first, last = result.output.splitlines()
    assert first.startswith("recorded dose 1  ")
    assert first.endswith("resveratrol 500 mg (given as 0.5 g): before breakfast")
    assert last == DISCLAIMER


def test_a_script_reads_json(run: Run) -> None:
    """Each command prints what the API answers."""
    recorded = json.loads(run("dose", "nmn", "250", "mg", "--json").output)
    assert json.loads(run("get", "1", "--json").output) == recorded
    assert json.loads(run("list", "--json").output)["doses"][0]["id"] == 1
    assert json.loads(run("info", "--json").output)["compounds"][0]["amount"] == 250
    assert json.loads(run("withdraw", "1", "--reason", "typo", "--json").output)["withdrawn_at"]


def test_the_diary_in_words(run: Run) -> None:
    """List, get, info and withdraw are readable."""
    assert "no dose is recorded" in run("list").output
    run("dose", "nmn", "250", "mg", "--at", "2026-11-01T08:00:00+01:00")
    run("dose", "nmn", "250", "mg", "--at", "2026-11-02T08:00:00Z")
    assert "nmn: 2 doses, 500 mg in all, last 2026-11-02T08:00:00.000Z" in run("info").output
    assert "more: --cursor" in run("list", "--limit", "1").output
    assert run("withdraw", "2").exit_code == 0
    assert "2026-11-02" not in run("list").output
    assert "[withdrawn" in run("list", "--withdrawn", "--compound", "NMN").output
    assert "2026-11-01T07:00:00.000Z  nmn 250 mg" in run("get", "1").output


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (("dose", "nmn", "much", "mg"), 2, "is no number"),
        (("dose", "nmn", "5", "kg"), 2, "use mg, g or µg"),
        (("dose", "nmn", "5", "mg", "--at", "noon"), 2, "taken_at"),
        (("dose", "nmn", "5", "mg", "--corrects", "4"), 1, "there is no dose 4"),
        (("get", "4"), 1, "there is no dose 4"),
        (("withdraw", "4"), 1, "there is no dose 4"),
        (("list", "--since", "yesterday"), 2, "since"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: tuple[str, ...], exit_code: int, says: str) -> None:
    """What is wrong with the words is 2, what is wrong with the diary 1."""
    found = error(run(*words))
    assert found.exit_code == exit_code
    assert says in str(found)
    assert "\n" not in str(found)


def test_a_note_cannot_rewrite_the_line(run: Run) -> None:
    """Marks that turn the direction of writing are not printed."""
    result = run("dose", "nmn", "5", "mg", "--notes", "\u202egm 005")
    assert "\u202e" not in result.output


def test_a_busy_diary_names_its_holder(run: Run, tmp_path: Path) -> None:
    """A process that holds the file, and answers nowhere, is named."""
    with Ledger(f"sqlite:///{tmp_path}/var/longevity.db", SystemClock()):
        found = error(run("list"))
    assert f"in use by process {os.getpid()}" in str(found)


async def test_a_running_service_is_asked(run: Run, tmp_path: Path) -> None:
    """While the service holds the file, every command goes through it."""
    async with service(tmp_path):
        recorded = await asyncio.to_thread(
            run, "dose", "nmn", "0.25", "g", "--at", "2026-11-02T08:00:00Z", "--json"
        )
        assert json.loads(recorded.output)["converted_from"] == {"amount": 0.25, "unit": "g"}
        for words in (("get", "1"), ("list",), ("info",), ("withdraw", "1", "--reason", "x")):
            result = await asyncio.to_thread(run, *words)
            assert result.exit_code == 0, result.exception
            assert "nmn" in result.output
        missing = await asyncio.to_thread(run, "get", "7")
        assert "there is no dose 7" in str(error(missing))


async def test_the_token_of_the_configuration_is_shown(run: Run, tmp_path: Path) -> None:
    """A service with a token gets it from the configuration."""
    async with service(tmp_path, extra='bearer_token = "s3cret"\n'):
        result = await asyncio.to_thread(run, "dose", "nmn", "250", "mg")
        assert result.exit_code == 0, result.exception
        write_config(tmp_path, _port(tmp_path), 'bearer_token = "wrong"\n')
        refused = await asyncio.to_thread(run, "dose", "nmn", "250", "mg")
        assert "token" in str(error(refused))


async def test_another_program_is_not_taken_for_the_service(run: Run, tmp_path: Path) -> None:
    """Something else at the address is named instead of being sent health data."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", hello)
    async with TestServer(app) as server:
        write_config(tmp_path, server.port or 0)
        result = await asyncio.to_thread(run, "dose", "nmn", "250", "mg")
    assert "answered by another program" in str(error(result))


def _port(directory: Path) -> int:
    text = (directory / "wiltonos.toml").read_text()
    return int(text.partition("127.0.0.1:")[2].partition('"')[0])
