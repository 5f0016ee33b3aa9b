"""The whole pipeline as a user starts it: state files in, edited messages on both chats out."""

import asyncio
import itertools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from supervisor.xmlrpc import SupervisorTransport

from benchmarks.ports import free_offset
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack
from wiltonos_otel.instruments.catalogue import CATALOGUE, DOSE_AMOUNT, SUSTAINED_GOOD
from wiltonos_otel.stack.native import missing

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

log = logging.getLogger(__name__)

WRITER = Path(__file__).with_name("writer.py")
# promised: hold time + 3 s from the excursion to both chats; the slack is this machine's
LATENCY_SECONDS = 3.0
SLACK_SECONDS = 3.0
JUMP_HOLD_SECONDS = 2
BAND_HOLD_SECONDS = 60
OUTAGE_SECONDS = 60
# samples, one a second
STEADY = 50
# exported once a second; a gap of two would be a lost sample
LARGEST_GAP_SECONDS = 1.9

ORIGINAL_SEVEN = (
    "wiltonos_quantum_coherence_ratio",
    "wiltonos_quantum_coherence_derivative",
    "wiltonos_loop_quantum_coherence",
    "wiltonos_loop_pressure",
    "wiltonos_collapse_operations_total",
    "wiltonos_longevity_doses_total",
    "wiltonos_longevity_dose_amount_count",
)


@dataclass
class Pipeline:
    """A running stack, its writer of state files, and the chats that it tells."""

    base: Path
    record: dict[str, Any]
    writer: asyncio.subprocess.Process
    slack: FakeSlack
    discord: FakeDiscord
    http: ClientSession

    async def set_phi(self, phi: float) -> float:
        """Let the writer write this Φ; the monotonic second at which it was told."""
        assert self.writer.stdin is not None
        self.writer.stdin.write(f"{phi}\n".encode())
        await self.writer.stdin.drain()
        return time.monotonic()

    async def query(self, promql: str) -> list[dict[str, Any]]:
        """An instant query to the real Prometheus; [] while it is away."""
        url = f"http://127.0.0.1:{self.record['ports']['prometheus']}/api/v1/query"
        try:
            async with self.http.get(url, params={"query": promql}) as answer:
                result: list[dict[str, Any]] = (await answer.json())["data"]["result"]
                return result
        except (ClientError, TimeoutError):
            return []

    def messages(self) -> Mapping[str, list[FakeMessage]]:
        """The top-level messages on each chat."""
        chats: tuple[tuple[str, FakeSlack | FakeDiscord], ...] = (
            ("slack", self.slack),
            ("discord", self.discord),
        )
        return {
            name: [m for each in chat.messages.values() for m in each if not m.thread]
            for name, chat in chats
        }

    def texts(self) -> dict[str, list[tuple[int, str]]]:
        """Edits and text of every message, for the report of a failure."""
        return {name: [(m.edits, m.text) for m in each] for name, each in self.messages().items()}

    def living(self) -> Mapping[str, FakeMessage | None]:
        """The newest message with an edit history on each chat: the incident's own."""
        return {
            name: max(found, key=lambda m: m.edits, default=None)
            for name, found in self.messages().items()
        }

    @contextmanager
    def supervisor(self) -> Iterator[Any]:
        """The stack's own supervisor."""
        transport = SupervisorTransport(None, None, f"unix://{self.record['socket']}")  # type: ignore[no-untyped-call]
        try:
            yield ServerProxy("http://127.0.0.1", transport=transport).supervisor
        finally:
            transport.close()  # type: ignore[no-untyped-call]


async def eventually(
    condition: Callable[[], Any],
    seconds: float,
    what: str,
    seen: Callable[[], object] = lambda: "",
) -> Any:
    """The first true answer; a condition may be a coroutine, ``seen`` explains a failure."""
    limit = time.monotonic() + seconds
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > limit:
            pytest.fail(f"waited {seconds:g} s in vain for {what}: {seen()}")
        await asyncio.sleep(0.1)


async def wt(base: Path, *arguments: str) -> str:
    """Run the command to its end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("wt")),
        *arguments,
        cwd=base,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    return text


def _configure(base: Path, slack: FakeSlack, discord: FakeDiscord) -> None:
    secrets = base / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "slack").write_text(slack.token)
    (secrets / "discord").write_text(discord.webhook_url())
    (base / "wiltonos.toml").write_text(f"""
[notifier]
incident_by = ["job", "instance"]

[[notifier.channels]]
name = "ops-slack"
kind = "slack"
token_file = "secrets/slack"
channel = "{next(iter(slack.channels))}"
api_url = "{slack.api_url}"

[[notifier.channels]]
name = "ops-discord"
kind = "discord_webhook"
url_file = "secrets/discord"
""")


@asynccontextmanager
async def _writing(state: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), str(state), "0.75", stdin=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _stack(base: Path) -> AsyncIterator[dict[str, Any]]:
    try:
        await wt(base, "metrics", "bootstrap", "--native", "--port-offset", str(free_offset()))
        yield json.loads((base / "var" / "stack.json").read_text())
    finally:
        await wt(base, "metrics", "down")


@pytest.fixture
async def pipeline(tmp_path: Path) -> AsyncIterator[Pipeline]:
    """The stack of ``wt metrics bootstrap --native``, fed by another process."""
    if missing():
        pytest.skip("the native stack is not built; ./wt test builds it")
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack())
        discord = await stack.enter_async_context(FakeDiscord())
        _configure(tmp_path, slack, discord)
        writer = await stack.enter_async_context(_writing(tmp_path / "state"))
        record = await stack.enter_async_context(_stack(tmp_path))
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=5)))
        yield Pipeline(tmp_path, record, writer, slack, discord, http)


def _resolved(message: FakeMessage | None) -> bool:
    return message is not None and "✅ Resolved" in message.text


async def _excursion_is_told_and_closed(pipe: Pipeline) -> None:
    began = await pipe.set_phi(0.80)

    def told(word: str) -> Callable[[], bool]:
        return lambda: all(m and word in m.text for m in pipe.living().values())

    await eventually(told("PhiJump"), 30, "PhiJump on both chats", pipe.texts)
    jump_seconds = time.monotonic() - began
    await eventually(told("PhiOutOfBand"), 90, "PhiOutOfBand on both chats", pipe.texts)
    band_seconds = time.monotonic() - began
    log.info("excursion → both chats: jump %.1f s, band %.1f s", jump_seconds, band_seconds)
    assert jump_seconds <= JUMP_HOLD_SECONDS + LATENCY_SECONDS + SLACK_SECONDS
    assert band_seconds <= BAND_HOLD_SECONDS + LATENCY_SECONDS + SLACK_SECONDS
    await pipe.set_phi(0.75)
    await eventually(
        lambda: all(_resolved(m) for m in pipe.living().values()), 180, "the end", pipe.texts
    )
    await eventually(
        lambda: all(m and len(m.files) == 1 for m in pipe.living().values()),
        60,
        "the chart, drawn from the real Prometheus",
        pipe.texts,
    )
    for name, found in pipe.messages().items():
        assert len([m for m in found if m.edits]) == 1, f"{name} has more than one living message"


async def _no_sample_is_lost(pipe: Pipeline) -> None:
    """One minute without Prometheus, and inside it a kill -9 of the Collector."""
    with pipe.supervisor() as supervisor:
        supervisor.stopProcess("prometheus")
        pid = supervisor.getProcessInfo("collector")["pid"]
    left = time.monotonic()
    await eventually(lambda: time.monotonic() - left > OUTAGE_SECONDS / 2, 60, "half a minute")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: time.monotonic() - left > OUTAGE_SECONDS, 60, "the minute")
    with pipe.supervisor() as supervisor:
        supervisor.startProcess("prometheus")

    async def gaps() -> list[float]:
        found = await pipe.query("wiltonos_quantum_coherence_ratio[150s]")
        times = [float(at) for at, _ in found[0]["values"]] if found else []
        recent = bool(times) and time.time() - times[-1] < 3  # noqa: TID251 - Prometheus' clock
        return [b - a for a, b in itertools.pairwise(times)] if recent else []

    async def whole() -> bool:
        found = await gaps()
        return len(found) > OUTAGE_SECONDS and max(found) < LARGEST_GAP_SECONDS

    await eventually(whole, 90, "every sample of the outage")


async def test_state_files_become_messages_and_no_sample_is_lost(pipeline: Pipeline) -> None:
    """Φ leaves its band: both chats are told in time and edited at the end; nothing is lost."""
    await wt(pipeline.base, "longevity", "dose", "resveratrol", "500", "mg")

    async def names() -> bool:
        found = await pipeline.query('{__name__=~"wiltonos_.*"}')
        seen = {each["metric"]["__name__"] for each in found}
        rows = {n for row in CATALOGUE if row is not SUSTAINED_GOOD for n in row.sample_names}
        assert set(ORIGINAL_SEVEN) <= rows | {f"{DOSE_AMOUNT.series}_count"}
        return rows <= seen

    async def history() -> bool:
        return bool(await pipeline.query(f"count_over_time({ORIGINAL_SEVEN[0]}[1m]) >= {STEADY}"))

    await eventually(names, 90, "every series of the catalogue in Prometheus")
    # a jump is measured against the half minute before, so there must have been one
    await eventually(history, 90, "a steady minute")
    await _excursion_is_told_and_closed(pipeline)
    await _no_sample_is_lost(pipeline)
