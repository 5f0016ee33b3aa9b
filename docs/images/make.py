"""Makes the pictures of the documents: ``python docs/images/make.py [NAME…]``.

Everything in them is made up and comes out alike each time; what makes it is what makes the real
thing: the renderer, the chart, the services with their pages. Needs Chromium, a font with emoji
and the development packages.
"""

import asyncio
import base64
import math
import os
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.app import NotifierService
from notifier.clock import SystemClock
from notifier.deliver.charts import Series, draw
from notifier.incident.model import Incident
from notifier.incident.step import step
from notifier.render.chart import chart_plan
from notifier.render.context import RenderContext
from notifier.render.digest import Figures
from notifier.render.message import Chat, render, render_digest
from notifier.render.preview import preview_page
from notifier.settings import load
from notifier.testing import FakeDiscord, FakeSlack
from notifier.testing.webhooks import alert, webhook
from wiltonos_otel.phi.tracker import Tracker
from wiltonos_otel.policy import Policy
from wiltonos_otel.sources.simulate import Scenario, Step, simulate
from wiltonos_otel.web.app import LivePage
from wiltonos_otel.web.view import SourceHealth, view_now
from wiltonos_service.listen import Listen
from wiltonos_service.web.guard import Guard

HERE = Path(__file__).parent
SEEN_AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
INBOX = "http://127.0.0.1:9099"
LABELS = {"job": "wiltonos-exporter", "instance": "observatory"}
ALERTS = (
    ("WiltonosPhiOutOfBand", "critical", "Φ is out of band at 0.800 on observatory",
     "Φ has been outside 0.73 to 0.77 for 60 s. Look at the worst loops first."),
    ("WiltonosPhiJump", "warning", "Φ jumped by 0.050 on observatory",
     "Within seconds Φ moved 0.050 away from the median of the 30 s before."),
)  # fmt: skip
SOURCES = (
    ("WiltonosSourceStale", "warning", "The state files of observatory are stale", ""),
)  # fmt: skip
EXPRESSION = "phi > 0.77 or phi < 0.73"
PINGS = {Chat.SLACK: "<!here>", Chat.DISCORD: "<@&123456789>"}
FIGURES = {
    "phi": "0.800", "band": "0.73 – 0.77", "derivative_60s": "+0.049", "worst_loop": "breath",
    "runbook_url": f"{INBOX}/runbooks/WiltonosPhiOutOfBand",
    "__dashboardUid__": "wiltonos-coherence", "__panelId__": "3",
}  # fmt: skip
# a jump, the way back, and five good minutes
LIVE_SECONDS = 530
# Discord counts the time itself
SPEAK = """(now) => document.querySelectorAll("time[data-since]").forEach((each) => {
  const minutes = Math.round((now - each.dataset.since) / 60);
  each.textContent = `${minutes} minute${minutes === 1 ? "" : "s"} ago`;
})"""
CHANNELS = """
[notifier]
listen = "127.0.0.1:0"
database = "sqlite:///notifier.db"
alertmanager_url = "http://127.0.0.1:1"
incident_by = ["job", "instance"]
charts = false
[[notifier.channels]]
name = "ops-slack"
kind = "slack"
token = "{slack.token}"
channel = "{channel}"
api_url = "{slack.api_url}"
[[notifier.channels]]
name = "ops-discord"
kind = "discord_webhook"
url = "{discord}"
"""


class Night(SystemClock):
    """A clock that begins at the time of the pictures."""

    def __init__(self) -> None:
        self._began = self.monotonic()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return SEEN_AT + timedelta(seconds=self.monotonic() - self._began)


def incident_of(
    status: AlertStatus, alerts: tuple[tuple[str, str, str, str], ...] = ALERTS, **labels: str
) -> Incident:
    """What was folded into one incident."""
    made = tuple(
        Alert(
            fingerprint=f"{number:016x}",
            status=status,
            labels={**LABELS, **labels, "alertname": name, "severity": severity},
            annotations={"summary": summary, "description": description, **FIGURES},
            generator_url=f"http://prometheus:9090/graph?g0.expr={quote(EXPRESSION)}",
            starts_at=SEEN_AT - timedelta(minutes=2),
            ends_at=SEEN_AT if status is AlertStatus.RESOLVED else None,
        )
        for number, (name, severity, summary, description) in enumerate(alerts)
    )
    notification = Notification("notifier", "{}", {**LABELS, **labels}, made)
    incident = step(None, notification, ["job"], SEEN_AT, 600, lambda: "example").incident
    assert incident is not None
    return incident


async def chart(incident: Incident) -> bytes:
    """The picture that its messages show, of a made-up line."""
    plan = chart_plan(incident, _context("", SEEN_AT + timedelta(seconds=40)))
    assert plan is not None
    chance, left = random.Random(4), (incident.opened_at - timedelta(seconds=62)).timestamp()
    points = []
    for number in range(int((plan.end - plan.start).total_seconds() / 4) + 1):
        at = plan.start.timestamp() + 4 * number
        moved = 0.05 * (1 - math.exp(-(at - left) / 9)) if at > left else 0.0
        points.append((at, 0.75 + moved + 0.002 * math.sin(at / 40) + chance.gauss(0, 0.0007)))
    with tempfile.TemporaryDirectory() as cache:
        return await draw(plan, [Series("", points)], Path(cache))


async def firing() -> str:
    """A page with an excursion on both chats."""
    incident = incident_of(AlertStatus.FIRING)
    picture = "data:image/png;base64," + base64.b64encode(await chart(incident)).decode()
    payloads = {
        chat: render(chat, incident, _context(ping)).payload for chat, ping in PINGS.items()
    }
    return _page(payloads, picture)


async def digest() -> str:
    """A page with the digest of a bad night on both chats."""
    fires, over = AlertStatus.FIRING, AlertStatus.RESOLVED
    told = [
        ("observatory", fires, ALERTS[:1]),
        ("greenhouse", over, ALERTS[1:]),
        *(
            (f"node-{number:02}", over if number in (3, 4) else fires, SOURCES)
            for number in range(1, 8)
        ),
    ]
    incidents = [
        incident_of(status, _named(alerts, place), instance=place) for place, status, alerts in told
    ]
    backlog = Figures(waiting=57, ended=14, total=86, seconds=118)
    return _page(
        {
            chat: render_digest(chat, incidents, _context(""), "example", backlog).payload
            for chat in Chat
        }
    )


def _named(
    alerts: tuple[tuple[str, str, str, str], ...], place: str
) -> tuple[tuple[str, str, str, str], ...]:
    return tuple((n, s, summary.replace("observatory", place), d) for n, s, summary, d in alerts)


def _page(payloads: Mapping[Chat, Mapping[str, Any]], picture: str = "") -> str:
    messages = {chat.value: (chat, payload) for chat, payload in payloads.items()}
    return preview_page(messages, picture)


def _context(ping: str, now: datetime = SEEN_AT) -> RenderContext:
    return RenderContext(
        now=now,
        public_url=INBOX,
        alertmanager_url="http://127.0.0.1:9093",
        grafana_url="http://127.0.0.1:3000",
        mentions={"critical": (ping,)} if ping else {},
        actions={"acknowledge": f"{INBOX}/silence/a", "silence": f"{INBOX}/silence/s"},
    )


@asynccontextmanager
async def inbox() -> AsyncIterator[str]:
    """The address of a notifier that has told both chats of a night."""
    since = SEEN_AT - timedelta(minutes=3)
    with tempfile.TemporaryDirectory() as directory:
        async with FakeSlack() as slack, FakeDiscord() as discord, aiohttp.ClientSession() as http:
            file = Path(directory) / "wiltonos.toml"
            channel, hook = next(iter(slack.channels)), discord.webhook_url()
            file.write_text(CHANNELS.format(slack=slack, channel=channel, discord=hook))
            service = NotifierService(load(config=file, environ={}), Night())
            address, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
            running = asyncio.create_task(service.run(address.set_result, stop))
            base = f"http://{await address}"
            for body in night(since):
                async with http.post(f"{base}/api/v1/alertmanager", json=body) as answer:
                    answer.raise_for_status()
            await _delivered(http, base)
            yield base
            stop.set()
            await running


def night(since: datetime) -> list[dict[str, Any]]:
    """What Alertmanager sends: two things that are over, two that fire."""
    stale = ("WiltonosSourceStale", "warning", "The state files of workshop are stale", "")
    steer = ("WiltonosSoftSteer", "warning", "Φ moves at +0.061 per minute on greenhouse", "")
    return [
        _body(stale, since - timedelta(minutes=95), instance="workshop"),
        _body(
            stale, since - timedelta(minutes=95), since - timedelta(minutes=82), instance="workshop"
        ),
        *(_body(each, since + timedelta(seconds=20 * n)) for n, each in enumerate(ALERTS[::-1])),
        _body(steer, since + timedelta(minutes=1), instance="greenhouse"),
    ]


def _body(
    said: tuple[str, str, str, str], since: datetime, until: datetime | None = None, **labels: str
) -> dict[str, Any]:
    name, severity, summary, description = said
    own = {**LABELS, **labels}
    figures = FIGURES if severity == "critical" else {}
    annotations = {"summary": summary, "description": description, **figures}
    one = alert(
        name, severity=severity, starts_at=since, ends_at=until, labels=own, annotations=annotations
    )
    return webhook(one, group_key=f"{name}{own}", group_labels={"alertname": name, **own})


async def _delivered(http: aiohttp.ClientSession, base: str) -> None:
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{base}/api/v1/incidents") as answer:
                found = (await answer.json())["incidents"]
            rows = [row for each in found for row in each["deliveries"]]
            if all(row["state"] == "delivered" for row in rows):
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def live() -> AsyncIterator[str]:
    """The address of a live page with ten minutes of a signal behind it."""
    policy, now_ms = Policy(), int(SEEN_AT.timestamp() * 1000)
    tracker, health = (
        Tracker(policy, 60_000),
        SourceHealth("state", "state", {}, [], simulated=True),
    )
    at = [now_ms]
    page = LivePage(
        lambda: tracker.snapshot(at[0]), lambda now: view_now(now, health, None), policy, 60
    )
    for moment in islice(simulate(Scenario.JUMP, seed=7), LIVE_SECONDS):
        at[0] = now_ms + int((moment.seconds - LIVE_SECONDS + 1) * 1000)
        _observe(tracker, moment, at[0])
        await page.tick()
    app = web.Application()
    Guard("exporter", Listen.parse("127.0.0.1:9464")).install(app)
    page.install(app)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


def _observe(tracker: Tracker, moment: Step, now_ms: int) -> None:
    tracker.observe(now_ms, moment.phi)
    for name, loop in moment.loops.items():
        tracker.observe_loop(name, now_ms, loop.phi, loop.phi_star, loop.collapses)


@asynccontextmanager
async def shown(browser: Browser, url: str, width: int, height: int = 800) -> AsyncIterator[Any]:
    """The page as somebody sees it at that time."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2,
        color_scheme="light",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = await context.new_page()
    await page.clock.install(time=SEEN_AT)
    await page.goto(url, wait_until="load")
    yield page
    await context.close()


async def shoot_messages(browser: Browser, name: str, html: str) -> None:
    """Save a picture of the message in each chat."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "message.html"
        file.write_text(html, "utf-8")
        async with shown(browser, file.as_uri(), 720) as page:
            await page.evaluate(SPEAK, SEEN_AT.timestamp())
            for chat in Chat:
                target = page.locator(f".message.{chat.value}")
                await target.screenshot(path=HERE / f"{chat.value}-{name}.png")


async def shoot_page(browser: Browser, name: str, url: str, height: int, ready: str) -> None:
    """Save a picture of a page once the element is there."""
    async with shown(browser, url, 1200, height) as page:
        await page.locator(ready).first.wait_for()
        await page.screenshot(path=HERE / f"{name}.png")


async def main(names: list[str]) -> None:
    """Make every picture, or those of these names: firing, digest, inbox, live-page."""
    os.environ["OTEL_METRICS_EXPORTER"] = "none"
    flags = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
    wanted = set(names or ("firing", "digest", "inbox", "live-page"))
    async with async_playwright() as play:
        chromium = shutil.which("chromium")
        browser = await play.chromium.launch(executable_path=chromium, args=flags)
        for name, make in (("firing", firing), ("digest", digest)):
            if name in wanted:
                await shoot_messages(browser, name, await make())
        for name, serve, height, ready in (
            ("inbox", inbox, 800, "#detail .look"),
            ("live-page", live, 1064, "[data-link=live] .fill"),
        ):
            if name in wanted:
                async with serve() as url:
                    await shoot_page(browser, name, url, height, ready)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
