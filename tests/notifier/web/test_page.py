"""The inbox page in a real Chromium."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from notifier.clock import SystemClock
from notifier.testing.webhooks import alert, webhook
from tests.contrast import faint

pytestmark = pytest.mark.browser

# a container has no sandbox, no graphics card and nothing to ask of the internet
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script></style>\"'`"
    " \u202egnp.exe @everyone <!channel> [x](javascript:alert(3)) ${7*7} " + "A" * 10_000
)
TOKEN = "token-of-the-page"
# silences are on, and nothing listens there
NO_ALERTMANAGER = 'alertmanager_url = "http://127.0.0.1:1"'


def chromium() -> str:
    """The browser, as ``$CHROMIUM`` or the PATH names it."""
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        pytest.fail("no Chromium: install the package chromium, or set CHROMIUM to its path")
    return path


@pytest.fixture
async def run(start: Callable[..., Any]) -> Any:
    """A notifier without any chat: the page is where everything arrives."""
    return await start("", 'alertmanager_url = ""')


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page; errors, refused loads and foreign origins fail the test."""
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = await browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
        page.on(
            "console",
            lambda message: faults.append(message.text) if message.type == "error" else None,
        )
        page.on("request", lambda request: faults.append(f"asks {request.url}"))
        yield page
        await browser.close()
    ours = re.compile(r"asks http://127\.0\.0\.1:\d+/|status of 4(?:0[149]|10)|REFUSED")
    assert [fault for fault in faults if not ours.search(fault)] == []


def firing(name: str, severity: str = "warning", **labels: str) -> Any:
    """A webhook about one alert that has been firing for five minutes."""
    since = SystemClock().now() - timedelta(minutes=5)
    made = alert(name, starts_at=since, severity=severity)
    made["labels"] |= labels
    made["annotations"] |= {"summary": f"{name} is wrong"}
    return webhook(made, group_key=name, group_labels={"alertname": name, **labels})


def over(name: str, severity: str = "warning") -> Any:
    """A webhook that says that it has ended."""
    now = SystemClock().now()
    began = now - timedelta(minutes=5)
    ended = alert(name, starts_at=began, ends_at=now, severity=severity)
    return webhook(ended, group_key=name, group_labels={"alertname": name})


def row(page: Page, text: str) -> Any:
    """The row of an incident."""
    return page.locator("#rows li", has_text=text)


async def test_an_incident_appears_changes_and_resolves_by_itself(run: Any, page: Page) -> None:
    """Empty, then firing as the chat shows it, then resolved, without a reload."""
    await page.goto(run.base)
    await expect(page.locator("#link")).to_have_text("live")
    await expect(page.locator("#empty")).to_contain_text("No chat is configured")
    await run.post(firing("Leak", severity="critical"))
    await expect(row(page, "Leak is wrong").locator(".state")).to_have_text("Critical")
    await expect(page.locator("#detail .look h2")).to_have_text("🔴 Leak is wrong")
    await expect(page.locator("#firing-count")).to_have_text("1")
    await expect(page).to_have_title("(1) Inbox · WiltonOS notifier")
    await page.get_by_role("tab", name="Discord").click()
    await expect(page.locator("#detail .look.discord .embed h2")).to_have_text("🔴 Leak is wrong")
    await expect(page.locator("#detail .quieting")).to_be_empty()
    await run.post(over("Leak", severity="critical"))
    await expect(row(page, "Leak is wrong").locator(".state")).to_have_text("Resolved")
    await expect(page.locator("#detail .look h2")).to_have_text("✅ Resolved: Leak is wrong")
    await expect(page.locator("#firing-count")).to_be_hidden()
    await expect(page.locator(".history li").first).to_contain_text("resolved")


async def test_an_incident_is_shown_as_each_channel_shows_it(
    start: Callable[..., Any],
    texts: dict[str, str],
    page: Page,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """Its own words, language and pings; what is not delivered says so; links give no right."""
    words = """title_template = "Look: {{{{ title }}}}"
    mentions = {{ critical = ["<!here>"] }}
    """
    other = 'language = "pt-BR"\nmatch = {{ severity = "critical" }}\n'
    run = await start(texts["slack"] + words + texts["discord"] + other, NO_ALERTMANAGER)
    run.discord.hook().deleted = True
    await run.post(firing("Leak", severity="critical"))
    await run.post(firing("Drip"))

    async def settled() -> bool:
        found = (await run.get("/api/v1/incidents"))["incidents"]
        states = {row["state"] for each in found for row in each["deliveries"]}
        return states == {"delivered", "dead"}

    await eventually(settled)
    await page.goto(run.base)
    look = page.locator("#detail .look")
    await row(page, "Leak is wrong").locator("a").click()
    await expect(page.get_by_role("tab")).to_have_text(["slack", "discord"])
    await expect(look.locator("h2")).to_have_text("🔴 Look: Leak is wrong")
    await expect(look.locator("mark")).to_have_text("@here")
    sent = [each.payload["blocks"][0]["text"]["text"] for each in run.slack_messages()]
    assert "🔴 Look: Leak is wrong" in sent
    for name in ("Acknowledge", "Silence"):
        link = await look.get_by_role("link", name=name).get_attribute("href")
        assert link is not None
        assert "/silence/" not in link
    await page.get_by_role("tab", name="slack").press("ArrowRight")
    await expect(page.get_by_role("tab", name="discord")).to_be_focused()
    await expect(page.locator("#detail .look.discord")).to_have_attribute("lang", "pt-BR")
    await expect(look).to_contain_text("Crítico")
    await expect(page.locator("#detail .note")).to_have_text("This has not been delivered.")
    await row(page, "Drip is wrong").locator("a").click()
    await expect(page.get_by_role("tab")).to_have_text(["slack"])


async def test_the_worst_is_seen_first_and_can_be_acted_upon(
    start: Callable[..., Any], page: Page
) -> None:
    """Newer warnings do not hide what is critical, and its buttons are there from the start."""
    run = await start("", NO_ALERTMANAGER)
    await run.post(firing("Leak", severity="critical"))
    await run.post(over("Past"))
    for name in ("One", "Two"):
        await run.post(firing(name))
    await page.goto(run.base)
    await expect(page.locator("#rows .title")).to_have_text(
        ["Leak is wrong", "Two is wrong", "One is wrong", "Past is wrong"]
    )
    await expect(page.locator("#detail .look h2")).to_have_text("🔴 Leak is wrong")
    buttons = page.locator("#detail .quieting button")
    await expect(buttons).to_have_text(["Acknowledge", "Silence…"])


async def test_a_row_counts_its_alerts_beside_the_title_that_may_be_cut(
    run: Any, page: Page
) -> None:
    """How many fire is read without opening the incident, and each view has its own title."""
    since = SystemClock().now() - timedelta(minutes=5)
    words = {"summary": "Something is wrong, and it takes a long time to say what " * 3}
    alerts = [
        alert("Many", starts_at=since, annotations=words, labels={"instance": f"ship-{number}"})
        for number in range(30)
    ]
    await run.post(webhook(*alerts, group_key="Many", group_labels={"alertname": "Many"}))
    await page.goto(run.base)
    await expect(row(page, "Something is wrong").locator(".top")).to_contain_text("30 alerts")
    for view, title in (("dead-letters", "Dead letters"), ("silences", "Silences")):
        await page.goto(f"{run.base}/#{view}")
        await expect(page).to_have_title(f"(1) {title} · WiltonOS notifier")


async def test_an_empty_inbox_says_whether_it_is_connected(
    start: Callable[..., Any], page: Page
) -> None:
    """Before anything was heard, what to configure; afterwards, that Alertmanager is heard."""
    run = await start("", NO_ALERTMANAGER)
    await page.goto(run.base)
    await expect(page.locator("#empty pre")).to_contain_text("/api/v1/alertmanager")
    async with run.http.post(f"{run.base}/api/v1/heartbeat") as answer:
        assert answer.status == 200
    await page.reload()
    await expect(page.locator("#empty")).to_contain_text("heartbeat came")
    await expect(page.locator("#empty pre")).to_have_count(0)


async def test_the_page_speaks_its_readers_language(start: Callable[..., Any], page: Page) -> None:
    """Portuguese for a browser that asks for it, in every view; texts of alerts stay."""
    run = await start("", NO_ALERTMANAGER)
    await run.post(firing("Critical", severity="critical"))
    await run.post(b"no json", status=400)
    assert page.context.browser is not None
    context = await page.context.browser.new_context(locale="pt-BR")
    page = await context.new_page()
    await page.goto(run.base)
    await expect(page.locator("#link")).to_have_text("ao vivo")
    await expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(page).to_have_title("(2) Caixa de entrada · WiltonOS notificador")
    await expect(row(page, "Critical is wrong").locator(".state")).to_have_text("Crítico")
    await expect(page.locator("#detail .quieting button").first).to_have_text("Reconhecer")
    await expect(page.locator(".history li")).to_contain_text("aberto")
    await page.get_by_role("link", name="Não entregues").click()
    await expect(page.locator("#letters h2")).to_have_text("Recebido, mas não entendido")
    await page.get_by_role("link", name="Silêncios").click()
    await expect(page.locator("#new-silence").get_by_label("Seu nome")).to_be_visible()
    await context.close()


async def test_hostile_text_is_only_text(run: Any, page: Page) -> None:
    """Markup, scripts, direction overrides and ten thousand letters do nothing, anywhere."""
    body = firing("Nasty", instance=HOSTILE)
    body["alerts"][0]["labels"][HOSTILE[:60]] = HOSTILE
    body["alerts"][0]["annotations"] = {"summary": HOSTILE, "description": HOSTILE}
    await run.post(body)
    await run.post(b'{"version": "<img src=x onerror=alert(4)>"}', status=400)
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(run.base)
    await row(page, "<img src=x onerror").locator("a").click()
    await expect(page.locator("#detail .look h2")).to_contain_text("<script>alert(2)</script>")
    await page.locator("#detail .alerts summary").click()
    await expect(page.locator("#detail .labels").first).to_contain_text("onerror=alert(1)")
    assert await page.locator("#detail :is(img:not(.avatar), script, style, iframe)").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    addresses = await page.locator("a").evaluate_all("all => all.map((each) => each.protocol)")
    assert set(addresses) <= {"http:", "https:"}
    await page.get_by_role("link", name="Dead letters").click()
    await page.get_by_role("button", name="Show").first.click()
    await expect(page.locator("#letters pre").first).to_contain_text("onerror=alert(4)")
    assert await page.locator("#letters img").count() == 0


async def test_filters_search_what_is_older_than_the_page(run: Any, page: Page) -> None:
    """Phase, severity and words narrow the list down, on the server."""
    await run.post(firing("Oldest", severity="info", instance="needle-Ä"))
    for number in range(60):
        await run.post(firing(f"Other{number}"))
    await run.post(over("Other3"))
    await page.goto(run.base)
    rows = page.locator("#rows li")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Show older ones").click()
    await expect(rows).to_have_count(61)
    await page.get_by_role("searchbox").fill("NEEDLE-ä")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Oldest is wrong")
    await page.get_by_role("searchbox").fill("")
    await page.get_by_label("Phase").select_option("resolved")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Phase").select_option("")
    await page.get_by_label("Severity").select_option("info")
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox").fill("there is no such thing")
    await expect(page.locator("#empty")).to_have_text("No incident fits.")


async def test_the_keyboard_reaches_everything(run: Any, page: Page) -> None:
    """j, k, Enter, Escape, / and ? do what they say, and the focus is seen."""
    for name in ("First", "Second", "Third"):
        await run.post(firing(name))
    await page.goto(run.base)
    await expect(page.locator("#rows li")).to_have_count(3)
    current = page.locator("#rows a[aria-current]")
    await expect(current).to_contain_text("Third")
    await page.keyboard.press("j")
    await expect(current).to_contain_text("Second")
    await expect(current).to_be_focused()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(current).to_contain_text("First")
    await page.keyboard.press("k")
    await expect(page.locator("#detail .look h2")).to_contain_text("Second")
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.type("jk?")
    await expect(page.get_by_role("searchbox")).to_have_value("jk?")
    await page.get_by_role("searchbox").fill("")
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Keyboard")).to_be_hidden()


async def test_a_deep_link_opens_the_incident(run: Any, page: Page) -> None:
    """The address in a message leads to it, with a way back; one that is unknown says so."""
    await run.post(firing("Wanted"))
    await run.post(firing("Newer"))
    (wanted,) = (
        each["id"]
        for each in (await run.get("/api/v1/incidents"))["incidents"]
        if each["labels"]["alertname"] == "Wanted"
    )
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"{run.base}/#{wanted}")
    await expect(page.locator("#detail .look h2")).to_contain_text("Wanted is wrong")
    await expect(page.locator("#rows")).to_be_hidden()
    await page.locator("#detail .back").click()
    await expect(page.locator("#rows li")).to_have_count(2)
    await page.goto(f"{run.base}/#000000000000000000000000")
    await expect(page.locator("#detail")).to_contain_text("there is no such incident")


async def test_a_dead_letter_is_shown_replayed_and_dropped(
    start: Callable[..., Any],
    texts: dict[str, str],
    page: Page,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """Why, what, once more, and away; the delivery says its reason."""
    run = await start(texts["slack"], 'alertmanager_url = ""')
    run.slack.revoked = True
    await run.post(firing("Lost"))

    async def dead() -> bool:
        return bool((await run.get("/api/v1/dead-letters"))["dead_letters"])

    await eventually(dead)
    await page.goto(run.base)
    await expect(page.locator("#degraded")).to_contain_text("destination dead")
    await row(page, "Lost is wrong").locator("a").click()
    await expect(page.locator("#detail .facts")).to_contain_text("slack")
    await page.get_by_role("link", name=re.compile("Dead letters")).click()
    letter = page.locator("#letters li").first
    await expect(letter).to_contain_text("Not delivered to slack")
    run.slack.revoked = False
    await letter.get_by_role("button", name="Replay").click()
    await expect(page.locator("#no-letters")).to_be_visible(timeout=15_000)
    await run.post(b'{"version": "9"}', status=400)
    drop = page.locator("#letters li").first.get_by_role("button", name=re.compile("Drop"))
    await drop.click()
    await expect(drop).to_have_text("Drop for good?")
    await drop.click()
    await expect(page.locator("#letters li")).to_have_count(0)


async def test_changing_something_asks_for_the_token_once(
    start: Callable[..., Any], page: Page
) -> None:
    """Reading is open on loopback; the first change asks, and a link with the token signs in."""
    run = await start("", f'alertmanager_url = ""\nbearer_token = "{TOKEN}"')
    async with run.http.post(
        f"{run.base}/api/v1/alertmanager",
        data=b"no json",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as answer:
        assert answer.status == 400
    await page.goto(f"{run.base}/#dead-letters")
    replay = page.locator("#letters li").first.get_by_role("button", name="Replay")
    await replay.click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.get_by_label("Token").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#answer")).to_have_text("That token is not right.")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_hidden()
    # what was wanted is done, not forgotten
    await expect(page.locator("#letters li").first).to_contain_text("still not understood")
    await page.context.clear_cookies()
    await replay.click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#letters li").first).to_contain_text("sign in first")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_the_page_fits_and_can_be_read(run: Any, page: Page, scheme: Any, width: int) -> None:
    """No sideways scrolling, names for every control, and enough contrast, in each view."""
    await run.post(firing("One", severity="critical", instance="a"))
    await run.post(firing("Two"))
    await run.post(over("Two"))
    await run.post(b"no json", status=400)
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    for view in ("inbox", "dead-letters", "silences"):
        await page.goto(f"{run.base}/#{view}")
        await expect(page.locator("#link")).to_have_text("live")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(NAMELESS) == []
        assert await faint(page) == []
    for path in ("/runbooks", "/runbooks/WiltonosPhiJump", "/runbooks/None", "/silence/none"):
        await page.goto(f"{run.base}{path}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await faint(page) == []


NAMELESS = """
[...document.querySelectorAll("button, input:not([hidden]), select, a[href]")]
  .filter((each) => !(each.getAttribute("aria-label") || each.textContent.trim() ||
    each.labels?.length || each.placeholder))
  .map((each) => each.outerHTML)
"""
