"""Progress bars of builds: a compiler does not say how far it is, so time has to."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar

# a step that takes longer than usual must not look done
_NEARLY = 0.97
_WIDTH = 30


class _Expected(BarColumn):
    """A bar that fills with time."""

    def render(self, task: Task) -> ProgressBar:
        """The bar of one step."""
        total = max(task.total or 1.0, 1.0)
        spent = total if task.finished else min(task.elapsed or 0.0, total * _NEARLY)
        return ProgressBar(total=total, completed=spent, width=_WIDTH)


class Bars:
    """One bar for the step that is under way.

    Args:
        console: where to draw it.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            _Expected(),
            TimeElapsedColumn(),
            TextColumn("usually {task.total:.0f} s"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def next(self, text: str, usual_seconds: int) -> None:
        """Replace the bar by that of the next step."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=usual_seconds)
