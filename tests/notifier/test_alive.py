"""The sign of life to an address outside."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from notifier.alive import Alive, Ping
from notifier.checking import mistakes
from notifier.settings import load
from notifier.testing import ManualClock
from wiltonos_service.secrets import Secret


class Outside:
    """Somebody who notices when nothing comes."""

    def __init__(self) -> None:
        self.heard = 0
        self.status = 200

    async def hear(self, _request: web.Request) -> web.Response:
        """Take a ping."""
        self.heard += 1
        return web.Response(status=self.status)


@pytest.fixture
async def outside() -> AsyncIterator[tuple[Outside, str]]:
    """The one who listens, and the address."""
    listener = Outside()
    app = web.Application()
    app.router.add_get("/ping/secret-id", listener.hear)
    async with TestServer(app) as server:
        yield listener, str(server.make_url("/ping/secret-id"))


@pytest.fixture
async def alive(outside: tuple[Outside, str]) -> AsyncIterator[Alive]:
    """The part that pings, which thinks that all is well."""
    async with aiohttp.ClientSession() as session:
        secret = Secret("[notifier] alive_url", value=outside[1])
        yield Alive(lambda: secret, session, ManualClock(), _well, lambda _ping: None)


async def _well() -> str:
    return ""


async def test_it_pings_each_minute_until_it_is_stopped(
    alive: Alive, outside: tuple[Outside, str], eventually: Callable[..., Any]
) -> None:
    """At the start, and once a minute."""
    stopping = asyncio.Event()
    running = asyncio.create_task(alive.run(stopping))
    assert isinstance(alive.clock, ManualClock)
    for count in (1, 2, 3):

        async def heard(count: int = count) -> bool:
            return outside[0].heard == count and bool(alive.clock.sleeping)  # type: ignore[attr-defined]

        await eventually(heard)
        await alive.clock.advance(60)
    stopping.set()
    await running


async def test_what_is_not_well_withholds_it(alive: Alive, outside: tuple[Outside, str]) -> None:
    """The silence is the message; one line says why, and one when it is over."""

    async def unwell() -> str:
        return "the database does not commit"

    secret = alive.address()
    assert secret is not None
    with capture_logs() as lines:
        assert await alive.ping(secret) is Ping.SENT
        alive.well = unwell
        for _ in range(3):
            assert await alive.ping(secret) is Ping.WITHHELD
        alive.well = _well
        assert await alive.ping(secret) is Ping.SENT
    assert [line["problem"] for line in lines] == [
        "alive_url is not pinged: the database does not commit",
        None,
    ]
    assert outside[0].heard == 2


async def test_an_address_that_fails_is_told_without_being_shown(
    alive: Alive, outside: tuple[Outside, str], tmp_path: Path
) -> None:
    """Whoever knows the address can pretend that we live."""
    listener, url = outside
    listener.status = 404
    assert await alive.ping(Secret("alive_url", value=url)) is Ping.FAILED
    assert alive.problem == "alive_url answers 404; is the address still right?"
    nowhere = Secret("alive_url", value="http://127.0.0.1:1/ping/secret-id")
    assert await alive.ping(nowhere) is Ping.FAILED
    assert "secret-id" not in alive.problem
    gone = Secret("[notifier] alive_url", file=tmp_path / "gone")
    assert await alive.ping(gone) is Ping.FAILED
    assert "write the secret to that file" in alive.problem


async def test_a_service_pings_and_stops_when_alerting_is_down(
    start: Callable[..., Any], outside: tuple[Outside, str], eventually: Callable[..., Any]
) -> None:
    """All of it is well at the start; the silent Watchdog ends that."""
    run = await start(extra=f'alive_url = "{outside[1]}"\nheartbeat_timeout_seconds = 1')

    async def heard() -> bool:
        return outside[0].heard == 1

    await eventually(heard)
    assert await run.service._unwell() == ""
    async with run.http.post(f"{run.base}/api/v1/heartbeat") as response:
        assert response.status == 200

    async def down() -> bool:
        return bool(await run.service._unwell() == "alerting is down")

    await eventually(down)
    for running in run.service.channels._running.values():
        running.tasks[0].cancel()

    async def ended() -> bool:
        run.service.deadman.down = False
        return bool(await run.service._unwell() == "a channel's worker has ended")

    await eventually(ended)


def test_check_config_wants_an_address(tmp_path: Path) -> None:
    """With the key and the fix, and without what the file holds."""
    file = tmp_path / "wiltonos.toml"
    file.write_text('[notifier]\nalive_url = "hc-ping.example/abc"\n')
    (line,) = mistakes(load(config=file, environ={}))
    assert line == (
        f"{file}: [notifier] alive_url: holds no address; put one there that begins with https://"
    )
