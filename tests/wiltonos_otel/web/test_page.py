"""The live page in a real Chromium."""

import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

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
# what a browser says of an exporter that ended
REFUSED = "net::ERR_CONNECTION_REFUSED"


def chromium() -> str:
    """The browser, as ``$CHROMIUM`` or the PATH names it."""
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        pytest.fail("no Chromium: install the package chromium, or set CHROMIUM to its path")
    return path


@pytest.fixture
async def page(exporter: Any) -> AsyncIterator[Page]:
    """An empty page; whatever it logs or asks of a foreign origin fails the test."""
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = await browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda request: faults.append(f"asks {request.url}"))
        yield page
        await browser.close()
    ours = (REFUSED, f"asks {exporter.url}/")
    assert [fault for fault in faults if not any(part in fault for part in ours)] == []


async def test_page_waits_then_shows_and_moves(exporter: Any, page: Page) -> None:
    """Waiting, then the first sample, then the next one, without a reload."""
    await page.goto(exporter.url)
    await expect(page.locator("#verdict")).to_have_text("waiting for the first sample")
    await expect(page.locator("#hint")).to_contain_text("quantum_state.json")
    exporter.write(0.7512)
    await expect(page.locator("#phi")).to_have_text("0.7512")
    await expect(page.locator("#verdict")).to_have_text("in band 0.73 – 0.77")
    await expect(page.locator("#hint")).to_be_hidden()
    exporter.write(0.8)
    await expect(page.locator("#phi")).to_have_text("0.8000")
    await expect(page.locator("#verdict")).to_have_text("above the band 0.73 – 0.77")
    await expect(page.locator("body")).to_have_attribute("data-state", "out")


async def test_page_speaks_its_readers_language(exporter: Any, page: Page) -> None:
    """Portuguese for a browser that asks for it."""
    assert page.context.browser is not None
    context = await page.context.browser.new_context(locale="pt-BR")
    page = await context.new_page()
    await page.goto(exporter.url)
    await expect(page.locator("#verdict")).to_have_text("esperando a primeira amostra")
    exporter.write(0.8)
    await expect(page.locator("#verdict")).to_have_text("acima da faixa 0.73 – 0.77")
    await expect(page.locator("h1")).to_have_text("WiltonOS coerência quântica")
    await expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    await context.close()


async def test_page_says_that_a_sample_is_old_and_then_that_there_is_none(
    exporter: Any, page: Page
) -> None:
    """After 15 s a value is no longer now, after 60 s it is gone."""
    exporter.write(0.75, age_seconds=56)
    await page.goto(exporter.url)
    await expect(page.locator("#phi")).to_have_text("0.7500")
    await expect(page.locator("#verdict")).to_contain_text("no sample for 5")
    await expect(page.locator("body")).to_have_attribute("data-state", "aging")
    assert await faint(page) == []
    await expect(page.locator("#verdict")).to_contain_text("no sample since", timeout=20_000)
    await expect(page.locator("#phi")).to_have_text("–")
    await expect(page.locator("body")).to_have_attribute("data-state", "stale")
    assert await faint(page) == []


async def test_page_says_that_the_exporter_is_gone(exporter: Any, page: Page) -> None:
    """Numbers that nobody confirms any more are greyed."""
    exporter.write(0.75)
    await page.goto(exporter.url)
    await expect(page.locator("body")).to_have_attribute("data-link", "live")
    exporter.stop.set()
    await exporter.ended
    await expect(page.locator("#verdict")).to_contain_text("no contact since", timeout=10_000)
    await expect(page.locator("body")).to_have_attribute("data-link", "lost")
    assert await faint(page) == []


async def test_loops_are_text_and_sorted_by_pressure(exporter: Any, page: Page) -> None:
    """A hostile name stays a name."""
    loops = exporter.state / "loops"
    loops.mkdir()
    (loops / "<img src=x>.json").write_text('{"phi": 0.6, "collapses": 2}')
    (loops / "calm.json").write_text('{"phi": 0.75}')
    await exporter.until(lambda view: view["loops_total"] == 2)
    await page.goto(exporter.url)
    rows = page.locator("#loops tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first.locator("td").first).to_have_text("<img src=x>")
    await expect(rows.first.locator(".value")).to_have_class("value over")
    await expect(rows.last.locator("td").first).to_have_text("calm")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_a_phone_and_can_be_read(exporter: Any, page: Page, scheme: Any) -> None:
    """Nothing is wider than the screen or too faint, in both colour schemes, well or not."""
    (exporter.state / "loops").mkdir()
    (exporter.state / "loops" / "tense.json").write_text('{"phi": 0.6, "collapses": 2}')
    exporter.write(0.75)
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(exporter.url)
    await expect(page.locator("#phi")).to_have_text("0.7500")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await expect(page.locator("#chart canvas")).to_be_visible()
    await expect(page.locator("#loops tr")).to_have_count(1)
    assert await faint(page) == []
    exporter.write(0.8)
    await expect(page.locator("body")).to_have_attribute("data-state", "out")
    assert await faint(page) == []
