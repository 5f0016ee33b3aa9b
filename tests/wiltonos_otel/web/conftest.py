"""A running exporter, in this process, on a free port."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.exporter import Exporter
from wiltonos_otel.settings import load


@dataclass
class Running:
    """An exporter that runs.

    Attributes:
        url: of the live page, without a trailing slash.
        state: the directory of the state files.
        http: a client.
        stop: asks it to end.
        ended: done when it has ended.
    """

    url: str
    state: Path
    http: aiohttp.ClientSession
    stop: asyncio.Event
    ended: "asyncio.Task[None]"

    def write(self, phi: float, age_seconds: float = 0) -> None:
        """Write Φ as a program would: beside, then renamed into place."""
        moment = SystemClock().now_ms() / 1000 - age_seconds
        beside = self.state / "new"
        beside.write_text(json.dumps({"timestamp": moment, "phi": phi}))
        beside.rename(self.state / "quantum_state.json")

    async def view(self) -> dict[str, Any]:
        """``/api/v1/phi``."""
        async with self.http.get(f"{self.url}/api/v1/phi") as answer:
            view: dict[str, Any] = await answer.json()
            return view

    async def until(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The view, once ``holds`` is true of it."""
        async with asyncio.timeout(10):
            view = await self.view()
            while not holds(view):
                # the service has no other way to tell than to be asked
                await asyncio.sleep(0.02)
                view = await self.view()
        return view


@asynccontextmanager
async def running_exporter(state: Path, **variables: str) -> AsyncIterator[Running]:
    """Run an exporter that pushes nowhere, for as long as the block runs."""
    environ = {
        "WILTONOS__EXPORTER__LISTEN": "127.0.0.1:0",
        "WILTONOS__SOURCE__STATE_DIR": str(state),
        **variables,
    }
    exporter = Exporter(load(environ=environ))
    stop, started = asyncio.Event(), asyncio.Event()
    addresses: list[str] = []

    def note(address: object) -> None:
        addresses.append(str(address))
        started.set()

    ended = asyncio.create_task(exporter.run(note, stop))
    async with aiohttp.ClientSession() as http:
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if ended.done():
            ended.result()
        yield Running(f"http://{addresses[0]}", state, http, stop, ended)
    stop.set()
    await ended


@pytest.fixture
async def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """An exporter over an empty directory."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    state = tmp_path / "state"
    state.mkdir()
    async with running_exporter(state) as running:
        yield running
