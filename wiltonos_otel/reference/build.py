"""All generated documents, by path."""

import re
from collections.abc import Mapping
from pathlib import Path

from wiltonos_otel.reference import (
    alerts,
    commands,
    configuration,
    http_api,
    metrics,
    semconv,
)
from wiltonos_otel.reference.markdown import page, table
from wiltonos_service.reference import packages

PAGES = "docs/reference"
REGISTRY = "semconv"
_INDEX = f"{PAGES}/README.md"
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def build(root: Path) -> dict[str, str]:
    """Text by path relative to the checkout; the same code gives the same text.

    Args:
        root: the checkout; pages there that are written by hand appear in the index.
    """
    known = packages()
    pages = {
        "alerts": alerts.render(known),
        "commands": commands.render(),
        "configuration": configuration.render(known),
        "http-api": http_api.render_http(known),
        "metrics": metrics.render(known),
        "ports": http_api.render_ports(),
    }
    documents = {f"{PAGES}/{name}.md": text for name, text in pages.items()}
    documents[_INDEX] = _index(root, documents)
    registry = semconv.render(known)
    return documents | {f"{REGISTRY}/{name}": text for name, text in registry.items()}


def outdated(root: Path, documents: Mapping[str, str]) -> list[str]:
    """The documents that are not what the code makes, or not there."""
    return [name for name, text in documents.items() if _read(root / name) != text]


def write(root: Path, documents: Mapping[str, str]) -> list[str]:
    """Write what is outdated; which documents those were."""
    changed = outdated(root, documents)
    for name in changed:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(documents[name], "utf-8")
    return changed


def _read(file: Path) -> str | None:
    return file.read_text("utf-8") if file.is_file() else None


def _index(root: Path, made: Mapping[str, str]) -> str:
    by_hand = {
        f"{PAGES}/{file.name}": file.read_text("utf-8") for file in (root / PAGES).glob("*.md")
    }
    by_hand.pop(_INDEX, None)
    rows = [
        [f"[{_title(text)}]({Path(name).name})", "the code" if name in made else "hand"]
        for name, text in sorted({**by_hand, **made}.items())
    ]
    return page("Reference", table(["page", "made by"], rows))


def _title(text: str) -> str:
    found = _TITLE.search(text)
    return found[1] if found else "untitled"
