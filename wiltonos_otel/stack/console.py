"""What bootstrap and its sisters say: tables and bars at a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wiltonos_otel.stack.native.recipe import Recipe

# a step that takes longer than usual must not look done
_NEARLY = 0.97


class _Expected(BarColumn):
    """A bar that fills with time: a compiler does not say how far it is."""

    def render(self, task: Task) -> ProgressBar:
        """The bar of one step."""
        total = max(task.total or 1.0, 1.0)
        spent = total if task.finished else min(task.elapsed or 0.0, total * _NEARLY)
        return ProgressBar(total=total, completed=spent, width=30)


class Speaker:
    """Says what happens, on standard output.

    Args:
        quiet: say nothing but the result (for ``--json``).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(highlight=False, quiet=quiet, soft_wrap=not sys.stdout.isatty())
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @property
    def terminal(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and self.console.is_terminal

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(Text(text))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """A table; tab-separated lines where nobody looks at it."""
        if not self.console.is_terminal:
            for row in rows:
                self.console.print(Text("\t".join(row)))
            return
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def building(self) -> Iterator["Speaker"]:
        """Show the builds that happen inside; the speaker is their watcher."""
        if not self.console.is_terminal:
            yield self
            return
        columns = (
            TextColumn("{task.description}"),
            _Expected(),
            TimeElapsedColumn(),
            TextColumn("usually {task.total:.0f} s"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            self._progress = progress
            try:
                yield self
            finally:
                self._progress, self._task = None, None

    def waiting(self, recipe: Recipe) -> None:
        """Another process builds the same; we wait for it."""
        self.say(f"{recipe.title}: another process builds it, waiting")

    def step(self, recipe: Recipe, title: str, usual: int) -> None:
        """A step begins that usually takes so many seconds."""
        text = f"{recipe.title} {recipe.version}: {title}"
        if self._progress is None:
            self.say(f"{text} (usually {usual} s)")
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=usual)

    def line(self, text: str) -> None:
        """The step wrote a line; only errors are worth showing, and they come as such."""

    def note(self, text: str) -> None:
        """Something that the person should know."""
        self.say(text)

    def done(self, recipe: Recipe, seconds: float) -> None:
        """The recipe is in the cache; it took so long."""
        self.say(f"{recipe.title} {recipe.version}: built in {seconds:.0f} s, kept for next time")
