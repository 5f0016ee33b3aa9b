"""A real Alertmanager drives the notifier through the life of a group."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.clock import SystemClock
from notifier.testing import answer
from wiltonos_otel.stack.rules_check import find
from wiltonos_service.telemetry.testing import ReceivedSpan, otlp_receiver

pytestmark = pytest.mark.stack

CONFIG = """
route:
  receiver: notifier
  group_by: [job]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: notifier
  webhook_configs:
  - url: {url}/api/v1/alertmanager
    send_resolved: true
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
        self._clock = SystemClock()
        self.port = port
        self.base = f"http://127.0.0.1:{port}"

    async def start(self, notifier_url: str, traces: str = "") -> None:
        """Start it; ``traces`` is the host:port that it pushes its spans to."""
        file = self._directory / "alertmanager.yml"
        tracing = TRACING.format(endpoint=traces) if traces else ""
        file.write_text(CONFIG.format(url=notifier_url) + tracing)
        with (self._directory / "am.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, f"--config.file={file}",
                f"--storage.path={self._directory / 'am'}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
                stdout=log, stderr=log,
            )  # fmt: skip

    async def ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.base}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def say(self, *names: str, over: tuple[str, ...] = ()) -> None:
        """Report alerts as Prometheus does."""
        now: datetime = self._clock.now()
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
        url = f"{self.base}/api/v2/alerts"
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
            assert answer.status == 200

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
        pytest.skip("Alertmanager is not built yet; run ./wt metrics bootstrap --native")
    made = Alertmanager(program, tmp_path, unused_tcp_port)
    yield made
    await made.stop()


async def test_the_life_of_a_group_is_one_message(
    start: Callable[..., Any], alertmanager: Alertmanager, eventually: Callable[..., Any]
) -> None:
    """First alert, a second one, one resolved, a restart of Alertmanager, the end."""
    run = await start()
    await alertmanager.start(run.base)
    await eventually(alertmanager.ready)

    async def firing() -> set[str]:
        incidents = (await run.get("/api/v1/incidents"))["incidents"]
        return {
            each["labels"]["alertname"]
            for incident in incidents
            for each in incident["alerts"]
            if each["status"] == "firing"
        }

    async def knows(*names: str) -> None:
        async def it_does() -> bool:
            return await firing() == set(names)

        await eventually(it_does)

    await alertmanager.say("A")
    await knows("A")
    await alertmanager.say("A", "B")
    await knows("A", "B")
    await alertmanager.say("B", over=("A",))
    await knows("B")
    await alertmanager.stop()
    await alertmanager.start(run.base)
    await eventually(alertmanager.ready)
    await alertmanager.say("B")
    await alertmanager.say(over=("B",))
    await knows()
    await run.delivered()
    (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
    assert incident["phase"] == "resolved"
    (message,) = run.slack_messages()
    assert "Resolved" in message.text
    assert len(run.slack_replies()) == 1


def _ancestors(span: ReceivedSpan, known: dict[bytes, ReceivedSpan]) -> list[ReceivedSpan]:
    """The spans above it, the nearest first."""
    above = []
    while (parent := known.get(span.span.parent_span_id)) is not None:
        above.append(parent)
        span = parent
    return above


async def test_one_trace_leads_from_the_dispatch_to_both_chats(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Alertmanager,
    eventually: Callable[..., Any],
) -> None:
    """Alertmanager's own spans are above ours, though the notifier restarts in between."""
    with otlp_receiver() as receiver:
        telemetry = f'[telemetry]\ntraces = true\notlp_endpoint = "{receiver.endpoint}"'
        channels = texts["slack"] + texts["discord"] + telemetry
        run = await start(channels)
        for chat in (run.slack, run.discord):
            chat.faults.always("down", answer(503, "later"))
        await alertmanager.start(run.base, receiver.endpoint.removeprefix("http://"))
        await eventually(alertmanager.ready)
        await alertmanager.say("A")

        async def both_were_tried() -> bool:
            incidents = (await run.get("/api/v1/incidents"))["incidents"]
            rows = [row for each in incidents for row in each["deliveries"]]
            return len(rows) == 2 and all(row["attempts"] for row in rows)

        await eventually(both_were_tried)
        await run.end()
        for chat in (run.slack, run.discord):
            chat.faults.always("down", None)
        again = await start(channels)
        await again.delivered()
        # so that every program pushes what it has
        await again.end()
        await alertmanager.stop()
        spans = receiver.spans()
    known = {each.span.span_id: each for each in spans}
    for name in ("send slack", "send discord"):
        sent = [each for each in spans if each.span.name == name]
        sent.sort(key=lambda each: each.span.start_time_unix_nano)
        last = sent[-1]
        assert last.attributes["wiltonos.notifier.outcome"] == "delivered"
        assert [link.span_id for link in last.span.links] == [s.span.span_id for s in sent[:-1]]
        above = _ancestors(last, known)
        names = [(each.service, each.span.name) for each in above]
        assert names[0] == ("wiltonos-notifier", "POST /api/v1/alertmanager")
        assert {service for service, _ in names[1:]} == {"alertmanager"}
        assert names[-1] == ("alertmanager", "dispatch.AggregationGroup.flush")
        assert {each.span.trace_id for each in above} == {last.span.trace_id}
