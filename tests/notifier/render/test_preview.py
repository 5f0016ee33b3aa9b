"""Messages as HTML."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.render import Chat, RenderContext, render
from notifier.render.preview import preview, preview_page

TAGS = {"div", "p", "h2", "b", "s", "a", "code", "mark", "time", "small"}
MARKUP = [
    "<script>",
    "</p>",
    "<!date^1^{time}|x>",
    "<https://x.y|",
    "javascript:",
    '"',
    "'",
    "&lt;",
    "[a](<https://x",
    ">)",
    "**",
    "~~",
    "*",
    "~",
    "`",
    "\\",
    "<t:1:R>",
    "<@1>",
    "onload=",
    "<",
]
NASTY = st.lists(st.sampled_from([*MARKUP, "\n"]) | st.text(max_size=5), max_size=12).map("".join)


class Reader(HTMLParser):
    """Collects tags and the attributes that could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is there."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name == "href"]


def read(text: str) -> Reader:
    """The tags of a fragment."""
    reader = Reader()
    reader.feed(text)
    return reader


@settings(max_examples=200, deadline=None)
@given(NASTY)
@example("[a](<https://x<t:1:R>>)")
@example("<https://x<!date^1^{time}|x>|a>")
def test_no_text_becomes_markup_of_its_own(text: str) -> None:
    """Whatever stands in a message, only our own few tags come out, with web addresses."""
    slack = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]}
    embed = {"title": text, "description": text, "fields": [{"name": text, "value": text}]}
    discord = {"content": text, "embeds": [{**embed, "footer": {"text": text}}]}
    for chat, payload in (
        (Chat.SLACK, slack),
        (Chat.SLACK, {"text": text}),
        (Chat.DISCORD, discord),
    ):
        found = read(preview(chat, payload))
        assert found.tags <= TAGS
        assert found.attributes <= {"class", "href", "data-colour", "data-seconds", "data-since"}
        assert all(url.startswith(("http://", "https://")) for url in found.addresses)


@pytest.mark.parametrize("chat", Chat)
def test_a_preview_shows_what_the_chat_shows(
    chat: Chat, incident: Any, alert: Any, context: RenderContext
) -> None:
    """Links are links, bold is bold, escapes are gone, labels stay text."""
    made = incident(alert(annotations={"summary": "a<b>&c"}))
    shown = preview(chat, render(chat, made, context).payload)
    assert ">Dashboard</a>" in shown
    assert "<b>Critical</b>" in shown
    assert "a&lt;b&gt;&amp;c" in shown
    assert "&amp;lt;" not in shown
    assert "\\" not in shown


def test_a_page_is_whole(incident: Any, context: RenderContext) -> None:
    """It can be opened as a file."""
    payload = render(Chat.SLACK, incident(), context).payload
    page = preview_page({"<first>": (Chat.SLACK, payload)})
    assert page.startswith("<!doctype html>")
    assert "<h3>&lt;first&gt;</h3>" in page


@pytest.mark.parametrize("chat", list(Chat))
def test_a_picture_is_shown_once_inside_the_message(
    chat: Chat, incident: Any, context: RenderContext
) -> None:
    """Its address stays an address."""
    shown = preview(chat, render(chat, incident(), context).payload, 'x.png" onload="y')
    assert shown.count("<img") == 1
    assert 'src="x.png&quot; onload=&quot;y"' in shown
    assert "<img" not in preview(chat, render(chat, incident(), context).payload)
