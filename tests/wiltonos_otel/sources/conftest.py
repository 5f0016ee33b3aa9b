"""A sink that remembers what it was told, and lets a test wait for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.phi import Refusal, Tracker
from wiltonos_otel.policy import Policy
from wiltonos_otel.sources import Reason
from wiltonos_otel.sources.directory import StateDirectory

PATIENCE_SECONDS = 10


class Recorder:
    """A sink on a real tracker."""

    def __init__(self) -> None:
        self.tracker = Tracker(Policy(), stale_after_ms=60_000)
        self.samples: list[tuple[int, float]] = []
        self.loops: dict[str, list[float]] = {}
        self.errors: list[tuple[Reason, str]] = []
        self.recoveries: list[str] = []
        self.forgotten: list[str] = []
        self._told = asyncio.Condition()
        self._pending: set[asyncio.Task[None]] = set()

    def sample(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample of Φ."""
        refusal = self.tracker.observe(time_ms, phi, SystemClock().now_ms())
        if refusal is None:
            self.samples.append((time_ms, phi))
        return self._done(refusal)

    def loop(
        self, name: str, time_ms: int, phi: float, phi_star: float | None, collapses: int | None
    ) -> Refusal | None:
        """Take a sample of a loop."""
        refusal = self.tracker.observe_loop(name, time_ms, phi, phi_star, collapses)
        if refusal is None:
            self.loops.setdefault(name, []).append(phi)
        return self._done(refusal)

    def forget(self, name: str) -> None:
        """Drop a loop."""
        self.tracker.forget_loop(name)
        self.forgotten.append(name)
        self._done(None)

    def error(self, source: str, reason: Reason, detail: str) -> None:
        """Count an error."""
        assert source == "state"
        self.errors.append((reason, detail))
        self._done(None)

    def recovered(self, source: str, file: str) -> None:
        """Note a recovery."""
        assert source == "state"
        self.recoveries.append(file)
        self._done(None)

    @property
    def phis(self) -> list[float]:
        """The values of Φ, oldest first."""
        return [phi for _, phi in self.samples]

    @property
    def reasons(self) -> list[Reason]:
        """The reasons of the errors, oldest first."""
        return [reason for reason, _ in self.errors]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, which only something told to the sink can change."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._told:
            await self._told.wait_for(condition)

    def _done(self, refusal: Refusal | None) -> Refusal | None:
        try:
            task = asyncio.get_running_loop().create_task(self._tell())
        except RuntimeError:
            return refusal
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return refusal

    async def _tell(self) -> None:
        async with self._told:
            self._told.notify_all()


class Writer:
    """Writes state files as a careful program does: beside, then renamed into place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_path = directory / "quantum_state.json"

    def state(self, **keys: Any) -> None:
        """Write quantum_state.json."""
        self.put(self.state_path, json.dumps(keys).encode())

    def loop(self, name: str, **keys: Any) -> None:
        """Write the file of a loop."""
        self.put(self.directory / "loops" / f"{name}.json", json.dumps(keys).encode())

    def put(self, path: Path, content: bytes) -> None:
        """Write a file beside and rename it into place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.tmp")
        beside.write_bytes(content)
        beside.replace(path)


Running = Callable[[StateDirectory], Any]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A writer on a directory that does not exist yet."""
    return Writer(tmp_path / "state")


@pytest.fixture
async def recorder() -> Recorder:
    """A sink that remembers."""
    return Recorder()


@pytest.fixture
def running() -> Running:
    """A context in which the source runs."""

    @asynccontextmanager
    async def run(source: StateDirectory) -> AsyncIterator[StateDirectory]:
        task = asyncio.create_task(source.run())
        try:
            yield source
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.fixture
def source(writer: Writer, recorder: Recorder) -> StateDirectory:
    """The source under test, not running."""
    return StateDirectory(writer.directory, recorder, SystemClock())
