"""The runbooks as pages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from notifier.web.runbooks import Runbooks, render_markdown, runbook_directory
from wiltonos_service.listen import Listen
from wiltonos_service.web.guard import Guard

Client = TestClient[web.Request, web.Application]
ALERTS = sorted(path.stem for path in runbook_directory().glob("Wiltonos*.md"))

ROOT = Path(__file__).parents[3]
RULES = "".join(
    path.read_text("utf-8") for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
)
NAMED = set(re.findall(r"runbook_url: http://127\.0\.0\.1:9099(/runbooks/\w+)", RULES))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """The pages behind the guard that every service of ours has."""
    app = web.Application()
    Guard("notifier", Listen.parse("127.0.0.1:0")).install(app)
    Runbooks().install(app)
    async with TestClient(TestServer(app)) as made:
        yield made


async def read(answer: aiohttp.ClientResponse) -> str:
    """The page, once it is known to be one under the strict policy."""
    assert answer.content_type == "text/html"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    text = await answer.text()
    assert not re.search(r"<script(?! src)|\sstyle=|\son\w+=", text)
    return text


@pytest.mark.parametrize("name", ALERTS)
async def test_every_alert_has_a_page_of_its_own(client: Client, name: str) -> None:
    """The address that the rules name leads to the rendered runbook."""
    answer = await client.get(f"/runbooks/{name}")
    assert answer.status == 200
    text = await read(answer)
    assert f"<h1>{name}</h1>" in text
    assert "<h2>Mend</h2>" in text


async def test_the_rules_name_no_page_that_is_missing(client: Client) -> None:
    """Each ``runbook_url`` of the generated rules is served here."""
    assert NAMED
    for path in NAMED:
        assert (await client.get(path)).status == 200, path


@pytest.mark.parametrize("path", ["/runbooks", "/runbooks/", "/runbooks/README.md"])
async def test_the_index_links_every_runbook(client: Client, path: str) -> None:
    """A table of all alerts, each row with a link that works."""
    text = await read(await client.get(path))
    assert all(f'<a href="/runbooks/{name}">{name}</a>' in text for name in ALERTS)


async def test_the_file_name_is_the_same_page(client: Client) -> None:
    """Links between the Markdown files end in ``.md``."""
    answer = await client.get("/runbooks/WiltonosPhiJump.md")
    assert "<h1>WiltonosPhiJump</h1>" in await read(answer)


async def test_an_unknown_runbook_says_what_there_is(client: Client) -> None:
    """A page that helps: what is missing, what is near, where all are."""
    answer = await client.get("/runbooks/WiltonosPhiJumps")
    assert answer.status == 404
    text = await read(answer)
    assert "No runbook WiltonosPhiJumps" in text
    assert '<a href="/runbooks/WiltonosPhiJump">' in text
    assert '<a href="/runbooks">' in text


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fpyproject", "%2Fetc%2Fpasswd", "%00", "<img src=x onerror=alert(1)>", "a" * 5000],
)
async def test_no_name_leaves_the_directory_or_becomes_markup(client: Client, name: str) -> None:
    """A name is looked up among the files that are there, and shown as text."""
    answer = await client.get(f"/runbooks/{name}")
    assert answer.status == 404
    assert "<img" not in await answer.text()


def test_html_in_markdown_stays_text() -> None:
    """A runbook can hold no script, and no picture of another origin."""
    hostile = "<script>x</script> <b onclick=y>\n\n![p](https://example.org/p.png)\n"
    shown = render_markdown(hostile, set())
    assert "<script" not in shown
    assert "<b" not in shown
    assert "<img" not in shown


def test_links_lead_somewhere_or_are_words() -> None:
    """Known runbooks, the index and the web are linked; what is not served is plain."""
    text = (
        "[a](Known.md#mend) [b](README.md) [c](https://example.org/) [d](../how-to/x.md) "
        "[e](Unknown.md) [f](javascript:x) [g](#here)"
    )
    shown = render_markdown(text, {"Known"})
    assert re.findall(r'<a href="([^"]+)">(\w)</a>', shown) == [
        ("/runbooks/Known#mend", "a"),
        ("/runbooks", "b"),
        ("https://example.org/", "c"),
        ("#here", "g"),
    ]
    assert "d e [f](javascript:x) " in shown
