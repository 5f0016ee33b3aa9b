"""Makes the pictures of the documents: ``python docs/images/make.py [EXPORTER_URL INBOX_URL]``.

The two pages are those of a running stack (``./wt metrics bootstrap --demo``), and are left out
without it; the messages are an excursion as the notifier renders and draws it. Needs Chromium and
the development packages.
"""

import asyncio
import base64
import math
import random
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import Browser, sync_playwright

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.deliver.charts import Series, draw
from notifier.incident.model import Incident
from notifier.incident.step import step
from notifier.render.chart import chart_plan
from notifier.render.context import RenderContext
from notifier.render.message import Chat, render
from notifier.render.preview import preview_page

HERE = Path(__file__).parent
SEEN_AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LABELS = {"job": "wiltonos-exporter", "instance": "observatory"}
ALERTS = (
    ("WiltonosPhiOutOfBand", "critical", "Φ is out of band at 0.800 on observatory",
     "Φ has been outside 0.73 to 0.77 for 60 s. Look at the worst loops first."),
    ("WiltonosPhiJump", "warning", "Φ jumped by 0.050 on observatory",
     "Within seconds Φ moved 0.050 away from the median of the 30 s before."),
)  # fmt: skip
EXPRESSION = "phi > 0.77 or phi < 0.73"
PINGS = {Chat.SLACK: "<!here>", Chat.DISCORD: "<@&123456789>"}
FIGURES = {
    "phi": "0.800", "band": "0.73 – 0.77", "derivative_60s": "+0.049", "worst_loop": "breath",
    "runbook_url": "http://127.0.0.1:9099/runbooks/WiltonosPhiOutOfBand",
    "__dashboardUid__": "wiltonos-coherence", "__panelId__": "3",
}  # fmt: skip


def incident_of(status: AlertStatus) -> Incident:
    """An excursion that was folded into one incident."""
    alerts = tuple(
        Alert(
            fingerprint=f"{number:016x}",
            status=status,
            labels={**LABELS, "alertname": name, "severity": severity},
            annotations={"summary": summary, "description": description, **FIGURES},
            generator_url=f"http://prometheus:9090/graph?{urlencode({'g0.expr': EXPRESSION})}",
            starts_at=SEEN_AT - timedelta(minutes=2),
            ends_at=SEEN_AT if status is AlertStatus.RESOLVED else None,
        )
        for number, (name, severity, summary, description) in enumerate(ALERTS)
    )
    notification = Notification("notifier", "{}", LABELS, alerts)
    incident = step(None, notification, ["job"], SEEN_AT, 600, lambda: "example").incident
    assert incident is not None
    return incident


def chart(incident: Incident) -> bytes:
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
        return asyncio.run(draw(plan, [Series("", points)], Path(cache)))


def message(incident: Incident) -> str:
    """A page with the incident on both chats."""
    contexts = {chat: _context(ping) for chat, ping in PINGS.items()}
    return preview_page(
        {
            chat.value: (chat, render(chat, incident, each).payload)
            for chat, each in contexts.items()
        },
        "data:image/png;base64," + base64.b64encode(chart(incident)).decode(),
    )


def _context(ping: str, now: datetime = SEEN_AT) -> RenderContext:
    return RenderContext(
        now=now,
        public_url="http://127.0.0.1:9099",
        alertmanager_url="http://127.0.0.1:9093",
        grafana_url="http://127.0.0.1:3000",
        mentions={"critical": (ping,)},
    )


def shoot(browser: Browser, url: str, name: str, *, element: str = "", width: int = 1200) -> None:
    """Save a picture of a page, or of one element of it."""
    page = browser.new_page(viewport={"width": width, "height": 800}, device_scale_factor=2)
    scheme: Literal["light"] = "light"
    page.emulate_media(color_scheme=scheme)
    page.goto(url, wait_until="load")
    page.wait_for_timeout(4000 if url.startswith("http") else 100)
    target = page.locator(element).first if element else None
    if target is not None:
        target.screenshot(path=HERE / name)
    else:
        page.screenshot(path=HERE / name)
    page.close()


def main(exporter: str = "", inbox: str = "") -> None:
    """Make every picture that can be made."""
    # before the browser, which has a loop of its own
    messages = message(incident_of(AlertStatus.FIRING))
    with sync_playwright() as play, tempfile.TemporaryDirectory() as directory:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-quic", "--disable-background-networking"],
        )
        page = Path(directory) / "message.html"
        page.write_text(messages, "utf-8")
        for chat in Chat:
            selector = f".message.{chat.value}" if chat is Chat.DISCORD else ".message"
            shoot(browser, page.as_uri(), f"{chat.value}-firing.png", element=selector, width=720)
        for url, name in ((exporter, "live-page.png"), (inbox, "inbox.png")):
            if url:
                shoot(browser, url, name)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
