"""Text for terminals: columns, and nothing that could steer a terminal."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click


def harmless(value: object) -> str:
    """The value as text without control characters: labels come from strangers."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def json_text(document: Any, indent: int | None = None) -> str:
    """The document as JSON that a person can read, and nothing that could steer a terminal."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    # all but the line ends between the parts stands in texts, where JSON has another form of it
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def echo_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns, as wide as their widest cell; the last one is not filled up."""
    cells = [list(heads), *([harmless(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
