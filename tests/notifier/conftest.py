"""What the notifier's tests share: both databases, and a service under test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from benchmarks.postgresql import installed, server
from notifier.app import NotifierService
from notifier.clock import SystemClock
from notifier.incident.planner import Planner, Route
from notifier.settings import load
from notifier.store import SqlStore, open_store
from notifier.store.tables import metadata
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import encoded
from wiltonos_otel.stack.rules_check import find


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real server on a free port, without the database's name."""
    if not installed():
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed on this machine")
    with server() as url:
        yield url


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A database to remember in."""
    opened = await open_store(f"sqlite:///{tmp_path}/notifier.db", Planner())
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/notifier.db"
        return
    url = f"{request.getfixturevalue('postgresql')}/postgres"
    # not at the end: what the test before has started may write until then
    await _empty(url)
    yield url


async def _empty(url: str) -> None:
    """Forget what the tests before have written to the shared server."""
    import asyncpg  # noqa: PLC0415 - an optional extra

    connection = await asyncpg.connect(url)
    found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    tables = [row["tablename"] for row in found if row["tablename"] in metadata.tables]
    if tables:
        await connection.execute(f"TRUNCATE {', '.join(tables)}")
    await connection.close()


@pytest.fixture
async def make_store(database_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Opens stores on the database; they are closed at the end."""
    opened: list[SqlStore] = []

    async def make(planner: Planner | None = None, **more: Any) -> SqlStore:
        planner = planner or Planner(routes=(Route("slack"), Route("discord")))
        opened.append(await open_store(database_url, planner, **more))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
async def store(make_store: Callable[..., Any]) -> SqlStore:
    """A store with two channels that take everything."""
    opened: SqlStore = await make_store()
    return opened


@dataclass
class Running:
    """A notifier in this process, on a free port, with fakes behind its channels.

    Attributes:
        base: its address.
        slack: where the channels ``slack`` and ``hook`` go.
        discord: where the channel ``discord`` goes.
        end: stops it gracefully.
    """

    base: str
    service: NotifierService
    slack: FakeSlack
    discord: FakeDiscord
    http: aiohttp.ClientSession
    directory: Path
    end: Callable[[], Awaitable[None]]

    async def post(self, body: Any, status: int = 200) -> None:
        """Send a webhook and want this answer."""
        raw = body if isinstance(body, bytes) else encoded(body)
        async with self.http.post(f"{self.base}/api/v1/alertmanager", data=raw) as response:
            assert response.status == status, await response.text()

    async def get(self, path: str) -> Any:
        """A JSON document of the service."""
        async with self.http.get(self.base + path) as response:
            return await response.json()

    async def delivered(self, count: int = 1) -> None:
        """Wait until so many incidents are there and every delivery of them is done."""

        async def settled() -> bool:
            incidents = (await self.get("/api/v1/incidents?limit=500"))["incidents"]
            states = {row["state"] for each in incidents for row in each["deliveries"]}
            return len(incidents) >= count and states <= {"delivered"}

        await until(settled)

    def slack_messages(self) -> list[FakeMessage]:
        """What Slack shows at top level."""
        return [m for m in self.slack.messages[CHANNEL] if not m.thread and not m.deleted]

    def slack_replies(self) -> list[FakeMessage]:
        """What Slack shows in threads."""
        return [m for m in self.slack.messages[CHANNEL] if m.thread]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Return once it holds.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is watched is outside of this loop
            await asyncio.sleep(0.02)


SLACK = """
[[notifier.channels]]
name = "slack"
kind = "slack"
token_file = "slack_token"
channel = "{channel}"
api_url = "{slack.api_url}"
"""
HOOK = """
[[notifier.channels]]
name = "hook"
kind = "slack_webhook"
url = "{hook}"
"""
DISCORD = """
[[notifier.channels]]
name = "discord"
kind = "discord_webhook"
url_file = "discord_url"
"""


def write_settings(
    directory: Path, slack: FakeSlack, discord: FakeDiscord, channels: str, extra: str = ""
) -> Path:
    """A configuration file that leads to the fakes."""
    (directory / "slack_token").write_text(slack.token)
    (directory / "discord_url").write_text(discord.webhook_url())
    file = directory / "wiltonos.toml"
    made = channels.format(slack=slack, channel=CHANNEL, hook=slack.webhook_url(CHANNEL))
    # charts would ask whatever Prometheus this machine happens to run
    charts = "" if "charts" in extra else "charts = false\n"
    file.write_text(f'[notifier]\nlisten = "127.0.0.1:0"\n{charts}{extra}\n{made}')
    return file


@pytest.fixture
async def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Starts notifiers; they and the fakes are stopped at the end."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(enforce_limits=False))
        discord = await stack.enter_async_context(FakeDiscord(enforce_limits=False))
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def run(
            channels: str = SLACK + DISCORD,
            extra: str = "",
            database: str = f"sqlite:///{tmp_path}/notifier.db",
            **more: Any,
        ) -> Running:
            extra += f'\ndatabase = "{database}"'
            file = write_settings(tmp_path, slack, discord, channels, extra)
            service = NotifierService(load(config=file, environ={}), **more)
            address, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
            task = asyncio.create_task(service.run(address.set_result, stop))

            async def end() -> None:
                stop.set()
                await task

            stack.push_async_callback(end)
            await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            base = f"http://{address.result()}"
            return Running(base, service, slack, discord, http, tmp_path, end)

        yield run


@dataclass
class FakePrometheus:
    """Answers every range query with one line, or with a failure.

    Attributes:
        queries: the forms that were asked, in order.
        status: of the answers; all but 200 hold nothing.
    """

    url: str
    queries: list[dict[str, str]]
    status: int = 200


@pytest.fixture
async def prometheus() -> AsyncIterator[FakePrometheus]:
    """A Prometheus that has a line for everything."""
    fake = FakePrometheus("", [])

    async def answer(request: web.Request) -> web.Response:
        if fake.status != 200:
            return web.Response(status=fake.status, text="not now")
        form = {name: str(value) for name, value in (await request.post()).items()}
        fake.queries.append(form)
        start, end = float(form["start"]), float(form["end"])
        points = [[start + (end - start) * n / 20, f"{0.7 + n / 200}"] for n in range(21)]
        found = [{"metric": {"__name__": "up"}, "values": points}]
        return web.json_response({"data": {"result": found}})

    app = web.Application()
    app.router.add_post("/api/v1/query_range", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


ALERTMANAGER = """
route:
  receiver: notifier
  group_by: [job]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: ['severity="warning"']
  equal: [job]
receivers:
- name: notifier
  webhook_configs:
  - url: {url}/api/v1/alertmanager
"""
TRACING = """
tracing:
  client_type: http
  endpoint: {endpoint}
  insecure: true
  sampling_fraction: 1
"""


class Alertmanager:
    """The real program on a free port."""

    def __init__(self, program: Path, directory: Path, port: int) -> None:
        self._program = program
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://127.0.0.1:{port}"

    async def start(self, notifier_url: str, traces: str = "") -> None:
        """Start it, and wait until it takes alerts; ``traces`` is where it pushes its spans."""
        file = self._directory / "alertmanager.yml"
        tracing = TRACING.format(endpoint=traces.removeprefix("http://")) if traces else ""
        file.write_text(ALERTMANAGER.format(url=notifier_url) + tracing)
        with (self._directory / "am.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, f"--config.file={file}",
                f"--storage.path={self._directory / 'am'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
                stdout=log, stderr=log,
            )  # fmt: skip
        await until(self._ready)

    async def _ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of its API."""
        url = f"{self.url}/api/v2/{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json() if answer.content_length != 0 else None

    async def say(self, *names: str, over: tuple[str, ...] = ()) -> None:
        """Report alerts as Prometheus does."""
        now = SystemClock().now()
        start = (now - timedelta(minutes=1)).replace(second=0, microsecond=0)
        body = [
            {
                "labels": {"alertname": name, "job": "j", "severity": "warning"},
                "annotations": {"summary": f"{name} is wrong"},
                "startsAt": start.isoformat(),
                "endsAt": (now if name in over else now + timedelta(minutes=5)).isoformat(),
            }
            for name in (*names, *over)
        ]
        await self.ask("POST", "alerts", body)

    async def silences(self) -> list[dict[str, Any]]:
        """The silences that hold something back."""
        found: list[dict[str, Any]] = await self.ask("GET", "silences")
        return [each for each in found if each["status"]["state"] == "active"]

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


@pytest.fixture
async def alertmanager(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Alertmanager]:
    """The real program, not started; skipped where it is not built yet."""
    program = find("alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not built yet; run ./wt metrics build")
    made = Alertmanager(program, tmp_path, unused_tcp_port)
    yield made
    await made.stop()


@pytest.fixture
def texts() -> dict[str, str]:
    """Channel tables to start a notifier with."""
    return {"slack": SLACK, "hook": HOOK, "discord": DISCORD}


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits until something holds."""
    return until
