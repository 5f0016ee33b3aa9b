"""Ctrl-C, SIGTERM and SIGHUP: each ends a command, and none ends its cleaning up."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def nothing_left_when_interrupted(clean_up: Callable[[], None]) -> Iterator[None]:
    """Run the block; when a signal ends it, clean up undisturbed and pass the interruption on.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    with _terminate_interrupts():
        try:
            yield
        except KeyboardInterrupt:
            _ignore_further_ones()
            clean_up()
            raise


@contextmanager
def _terminate_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_further_ones() -> None:
    """An impatient second Ctrl-C must not leave half of the stack behind."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
