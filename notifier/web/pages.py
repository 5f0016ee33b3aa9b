"""Pages that are whole when they leave the server: templates in which every value is escaped."""

from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

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


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    """The filled template as a response that no cache keeps."""
    return web.Response(
        text=_TEMPLATES.get_template(template).render(values),
        status=status,
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )
