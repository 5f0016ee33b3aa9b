"""The runbooks, one page per alert: where ``runbook_url`` leads."""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from notifier.web.pages import page
from wiltonos_service.settings import checkout_directory

# where the wheel carries what is in docs/ in a checkout
INSTALLED = Path(__file__).resolve().parent / "files" / "runbooks"
INDEX = "README"
_SHOWN_NAME = 100
_RUNBOOK = re.compile(r"(?P<name>[A-Za-z0-9_-]+)\.md(?P<anchor>#[\w-]*)?")


def runbook_directory() -> Path:
    """Where the Markdown files are: in the checkout, or in the installed package."""
    checkout = checkout_directory()
    return checkout / "docs" / "runbooks" if checkout else INSTALLED


@dataclass(frozen=True)
class Runbooks:
    """``/runbooks`` and ``/runbooks/{name}``.

    Attributes:
        directory: holds one ``NAME.md`` per alert, and ``README.md``, the index.
    """

    directory: Path = field(default_factory=runbook_directory)

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/runbooks", self.index)
        app.router.add_get("/runbooks/", self.index)
        app.router.add_get("/runbooks/{name}", self.runbook)

    def names(self) -> list[str]:
        """The alerts that have a runbook."""
        found = sorted(path.stem for path in self.directory.glob("*.md"))
        return [name for name in found if name != INDEX]

    async def index(self, _request: web.Request) -> web.Response:
        """``GET /runbooks``."""
        return self._show(INDEX, "Runbooks")

    async def runbook(self, request: web.Request) -> web.Response:
        """``GET /runbooks/{name}``; a name ending in ``.md`` is the same page."""
        name = request.match_info["name"].removesuffix(".md")
        if name == INDEX:
            raise web.HTTPFound("/runbooks")
        if name not in self.names():
            near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.5)
            shown = name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…"
            return page("no_runbook.html", 404, title="No runbook", name=shown, near=near)
        return self._show(name, name)

    def _show(self, name: str, title: str) -> web.Response:
        text = (self.directory / f"{name}.md").read_text("utf-8")
        article = render_markdown(text, set(self.names()))
        return page("runbook.html", title=title, article=article, up=name != INDEX)


def render_markdown(text: str, known: set[str]) -> Markup:
    """Markdown as HTML; HTML in it stays text, and links lead to what is served or the web.

    Args:
        text: CommonMark with tables.
        known: the runbooks that a relative link may lead to.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.disable("image")
    tokens = parser.parse(text)
    for token in tokens:
        if token.children:
            token.children = _linked(token.children, known)
    # markdown-it escapes every text; only its own tags are markup
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - see above


def _linked(tokens: list[Token], known: set[str]) -> list[Token]:
    """The tokens with addresses that work here; a link that cannot becomes its words."""
    kept: list[Token] = []
    plain = False
    for token in tokens:
        if token.type == "link_open":
            address = _address(str(token.attrGet("href") or ""), known)
            plain = not address
            token.attrSet("href", address)
        if not (plain and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept


def _address(href: str, known: set[str]) -> str:
    if href.startswith(("https://", "http://", "#")):
        return href
    match = _RUNBOOK.fullmatch(href)
    if match is None:
        return ""
    if match["name"] == INDEX:
        return "/runbooks"
    return f"/runbooks/{match['name']}{match['anchor'] or ''}" if match["name"] in known else ""
