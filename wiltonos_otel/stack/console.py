"""What bootstrap and its sisters say: tables and bars at a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wiltonos_otel.stack.native.recipe import Recipe

if TYPE_CHECKING:
    from wiltonos_otel.stack.bars import Bars


class Speaker:
    """Says what happens, on standard output."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._bars: Bars | None = None

    @property
    def terminal(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and self.console.is_terminal

    def say(self, text: str) -> None:
        """One line."""
        if self.console.is_terminal:
            self.console.print(Text(text), soft_wrap=True)
        else:
            # as it is: no wrapping, no expanded tabs
            click.echo(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """A table; tab-separated lines where nobody looks at it."""
        if not self.console.is_terminal:
            for row in rows:
                click.echo("\t".join(row))
            return
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
        for place, column in enumerate(columns):
            # an address in two lines cannot be clicked; a column of words gives way instead
            cells = [row[place] for row in rows]
            whole = all(
                len(each) * 3 < self.console.width * 2 and " " not in each for each in cells
            )
            table.add_column(column, overflow="fold", no_wrap=whole)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def building(self) -> Iterator["Speaker"]:
        """Show the builds that happen inside; the speaker is their watcher."""
        if not self.console.is_terminal:
            yield self
            return
        from wiltonos_otel.stack.bars import Bars  # noqa: PLC0415 - only builds need them

        with Bars(self.console) as bars:
            self._bars = bars
            try:
                yield self
            finally:
                self._bars = None

    def waiting(self, recipe: Recipe) -> None:
        """Another process builds the same; we wait for it."""
        self.say(f"{recipe.title}: another process builds it, waiting")

    def step(self, recipe: Recipe, title: str, usual: int) -> None:
        """A step begins that usually takes so many seconds."""
        text = f"{recipe.title} {recipe.version}: {title}"
        if self._bars is None:
            self.say(f"{text} (usually {usual} s)")
        else:
            self._bars.next(text, usual)

    def line(self, text: str) -> None:
        """The step wrote a line; only errors are worth showing, and they come as such."""

    def note(self, text: str) -> None:
        """Something that the person should know."""
        self.say(text)

    def done(self, recipe: Recipe, seconds: float) -> None:
        """The recipe is in the cache; it took so long."""
        self.say(f"{recipe.title} {recipe.version}: built in {seconds:.0f} s, kept for next time")
