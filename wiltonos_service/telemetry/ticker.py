"""Collects at an interval, in a thread that outlives every collection and every fork."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from wiltonos_service.forks import Unforked, in_child_last

log = logging.getLogger(__name__)

COLLECTING_THREAD: Final = "wiltonos-collection"


class Ticker:
    """Calls ``collect`` every so often until it is ended; a child process begins its own.

    A fork waits for a collection that is under way: a child would inherit the locks that the
    collection holds, and nobody who could release them.

    Args:
        collect: takes a collection; what it raises is logged, once until it is something else.
        interval_seconds: from one beginning to the next.
    """

    def __init__(self, collect: Callable[[], object], interval_seconds: float) -> None:
        self._collect = collect
        self._interval_seconds = interval_seconds
        self._collecting = Unforked()
        self._last: Callable[[], object] = _nothing
        self._failing = ""
        self._begin()
        in_child_last(self._begin)

    def collect(self) -> None:
        """Collect now, after a collection that is under way and a fork that waits."""
        with self._collecting.held():
            self._collect()

    def end(self, last: Callable[[], object], seconds: float) -> None:
        """Collect no more by itself, and wait so long at most for the last work.

        The collecting thread does it: a signal handler may hold a lock that the work needs, and
        Python 3.12 and later start no thread while the interpreter ends.
        """
        self._last = last
        self._stopped.set()
        self._ended.wait(seconds)

    def _begin(self) -> None:
        self._ended = threading.Event()
        stopped = getattr(self, "_stopped", None)
        self._stopped = threading.Event()
        if stopped is None or not stopped.is_set():
            threading.Thread(target=self._run, name=COLLECTING_THREAD, daemon=True).start()

    def _run(self) -> None:
        stopped, pause = self._stopped, self._interval_seconds
        while not stopped.wait(pause):
            start = time.monotonic()
            try:
                self.collect()
            except BaseException as error:  # noqa: BLE001 - it is logged
                # a callback may raise what is no Exception, and must not end all metrics
                self._say(error)
            else:
                self._failing = ""
            pause = max(0.0, self._interval_seconds - (time.monotonic() - start))
        self._do_last()

    def _say(self, error: BaseException) -> None:
        """Log it once, for as long as every collection fails like this one."""
        failing = f"{type(error).__name__}: {error}"
        if failing != self._failing:
            log.error("no metrics are collected: a collection failed", exc_info=error)
        self._failing = failing

    def _do_last(self) -> None:
        try:
            self._last()
        except BaseException:
            log.exception("the last collection failed")
        self._ended.set()


def _nothing() -> object:
    return None
