"""A diary on disk, and the API over real HTTP."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.service import make_application
from wiltonos_otel.settings import Settings, load
from wiltonos_service.settings import Loaded

NOW_MS = 1_795_462_297_979


@dataclass
class SettableClock:
    """A clock that stands until it is moved."""

    ms: int = NOW_MS
    seen: list[int] = field(default_factory=list)

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self.ms

    def monotonic(self) -> float:
        """Seconds."""
        return self.ms / 1000


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands still."""
    return SettableClock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a diary that does not exist yet."""
    return f"sqlite:///{tmp_path}/var/longevity.db"


@pytest.fixture
def ledger(url: str, clock: SettableClock) -> Iterator[Ledger]:
    """An open, empty diary."""
    with Ledger(url, clock) as ledger:
        yield ledger


@pytest.fixture
def settings(url: str) -> Callable[..., Loaded[Settings]]:
    """Makes settings that push to a port where nobody listens, unless told otherwise."""

    def make(endpoint: str = "http://127.0.0.1:9", **longevity: object) -> Loaded[Settings]:
        return load(
            arguments={
                "longevity": {"database": url, "listen": "127.0.0.1:0", **longevity},
                "telemetry": {"otlp_endpoint": endpoint, "export_interval_seconds": 0.05},
            },
            environ={},
        )

    return make


Running = Callable[..., AbstractAsyncContextManager[ClientSession]]


@pytest.fixture
def running(url: str, clock: SettableClock, settings: Callable[..., Loaded[Settings]]) -> Running:
    """Runs the API on a free port, and gives a client of it."""

    @asynccontextmanager
    async def run(
        endpoint: str = "http://127.0.0.1:9", **longevity: object
    ) -> AsyncIterator[ClientSession]:
        loaded = settings(endpoint, **longevity)
        ledger = Ledger(url, clock)
        async with (
            TestServer(make_application(loaded, ledger)) as server,
            ClientSession(server.make_url("/")) as client,
        ):
            yield client

    return run
