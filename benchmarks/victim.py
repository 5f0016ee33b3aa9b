"""A notifier as a process of its own, which dies and is started again."""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

COMMAND = "from wiltonos_otel.cli.entry import main; main()"
AT_RANDOM = "at random"
STARTING_SECONDS = 60.0


class Victim:
    """Kills are counted by where they happened.

    Args:
        directory: where it keeps its configuration and its database.

    Attributes:
        port: where it listens, in every life.
        deaths: how often it died by SIGKILL, by named point or "at random".
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "wiltonos.toml"
        self._process: asyncio.subprocess.Process | None = None
        self._point = ""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.deaths: Counter[str] = Counter()

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, settings: str) -> None:
        """Write its configuration file."""
        self._file.write_text(settings)

    async def start(self, kill_at: str) -> None:
        """Start it, and return once it takes connections or has died already.

        Args:
            kill_at: ``point:count``, where it kills itself; "" for nowhere.
        """
        self._point = kill_at.partition(":")[0]
        environ = os.environ | {"NOTIFIER_TEST_KILL_AT": kill_at, "OTEL_METRICS_EXPORTER": "none"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, "notifier", "run",
            "--config", str(self._file), "--log-level", "error",
            env=environ,
        )  # fmt: skip
        async with asyncio.timeout(STARTING_SECONDS):
            while self._process.returncode is None and not await self._listens():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def die_within(self, seconds: float) -> None:
        """Let it live so long at most: it is killed where it has not killed itself."""
        assert self._process is not None
        where = self._point
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            where = AT_RANDOM
            self._process.kill()
        code = await self._process.wait()
        assert code == -signal.SIGKILL, f"the notifier ended with {code}"
        self.deaths[where] += 1

    async def stop(self) -> None:
        """End it gracefully."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await asyncio.wait_for(self._process.wait(), 20)
