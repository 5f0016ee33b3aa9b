"""Pages that are whole when they leave the server: templates in which every value is escaped."""

from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from notifier.render.words import words

_TEMPLATES = Environment(
    loader=PackageLoader("notifier.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _sentence(text: str) -> str:
    """An error as it is written in the middle of a line, to stand by itself."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


_TEMPLATES.filters["sentence"] = _sentence


def page(template: str, status: int = 200, *, language: str = "en", **values: Any) -> web.Response:
    """The filled template as a response that no cache keeps; its fixed words are in a language."""
    spoken = {"language": language, "say": words(language).say}
    return web.Response(
        text=_TEMPLATES.get_template(template).render(spoken, **values),
        status=status,
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )
