"""The sign of life to an address outside."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from notifier.checking import mistakes
from notifier.settings import load
from notifier.testing import ManualClock
from notifier.watch.alive import Alive, Ping
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


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/secret-id",
        "http://127.0.0.1:99999/secret-id",
        "http://[secret-id",
        "http://secret-id.invalid/",
        "http://" + "a" * 300 + "/secret-id",
        "http://user:secret-id@127.0.0.1:1/",
        "ftp://127.0.0.1/secret-id",
        "secret-id",
        "http://\x00/secret-id",
        "https://{server}/secret-id",
        "http://{server}/secret-id/redirect",
        "http://{server}/secret-id/loop",
        "http://{server}/secret-id/elsewhere",
        "http://{server}/secret-id/cut",
        "http://{server}/secret-id/rubbish",
    ],
)
async def test_no_failure_shows_the_address(
    alive: Alive, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in what is told, and in no log at debug, whatever answers or does not."""
    caplog.set_level(logging.DEBUG)

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1:2]
        where = b"".join(path).decode("latin-1")
        targets = {"redirect": "http://[secret-id", "loop": where, "elsewhere": "ftp://x/secret-id"}
        target = targets.get(where.rpartition("/")[2])
        if target is not None:
            head = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
        elif where.endswith("rubbish"):
            writer.write(f"HTTP/1.1 secret-id {where}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(misbehave, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        secret = Secret("[notifier] alive_url", value=address.format(server=f"127.0.0.1:{port}"))
        with capture_logs() as lines:
            assert await alive.ping(secret) is Ping.FAILED
    assert "alive_url" in alive.problem
    assert "secret-id" not in f"{alive.problem} {lines} {caplog.text}"


async def test_a_defect_ends_one_sign_of_life_only(
    alive: Alive, outside: tuple[Outside, str], eventually: Callable[..., Any]
) -> None:
    """The next minute is another one; what the defect says may hold the address."""
    stopping = asyncio.Event()

    async def defective() -> str:
        raise RuntimeError(f"no {outside[1]}")

    alive.well = defective
    with capture_logs() as lines:
        running = asyncio.create_task(alive.run(stopping))

        async def waits() -> bool:
            return bool(alive.clock.sleeping)  # type: ignore[attr-defined]

        await eventually(waits)
        assert alive.problem == "alive_url is not pinged: RuntimeError"
        alive.well = _well
        await alive.clock.advance(60)  # type: ignore[attr-defined]

        async def heard() -> bool:
            return outside[0].heard == 1

        await eventually(heard)
    stopping.set()
    await running
    assert "secret-id" not in str(lines)


@pytest.mark.parametrize("address", ["hc-ping.example/abc", "https://hc-ping.example:99999/abc"])
def test_check_config_wants_an_address(tmp_path: Path, address: str) -> None:
    """With the key and the fix, and without what the file holds."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(f'[notifier]\nalive_url = "{address}"\n')
    (line,) = mistakes(load(config=file, environ={}))
    assert line == (
        f"{file}: [notifier] alive_url: holds no address; put one there that begins with https://"
    )
