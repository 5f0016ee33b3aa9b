"""Markdown as text: pages, tables, cells."""

from collections.abc import Iterable, Sequence

MADE_BY = "Made by `wt docs build` from the code; edit that."


def page(title: str, *parts: str) -> str:
    """A page; its first line says what made it."""
    return "\n\n".join([f"<!-- {MADE_BY} -->\n# {title}", *filter(None, parts)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or "" without rows."""
    lines = [_line(row) for row in rows]
    head = [_line(columns), _line(["---"] * len(columns))]
    return "\n".join([*head, *lines]) if lines else ""


def code(text: str) -> str:
    """Text as inline code; "" stays "". For words of ours, which hold no backtick."""
    return f"`{text}`" if text else ""


def plain(docstring: str) -> str:
    """A docstring's text as Markdown: double backticks become single ones."""
    return docstring.replace("``", "`")


def _line(cells: Sequence[str]) -> str:
    shown = (" ".join(cell.split()).replace("|", r"\|") or " " for cell in cells)
    return f"| {' | '.join(shown)} |"
