"""Collects at an interval, in a thread that outlives every collection and every fork."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

COLLECTING_THREAD: Final = "wiltonos-collection"
# a fork does not wait longer for a collection that is under way
FORK_SECONDS = 1.0


class Ticker:
    """Calls ``collect`` every so often until it is ended; a child process begins its own.

    A fork waits for a collection that is under way: a child would inherit the locks that the
    collection holds, and nobody who could release them.

    Args:
        collect: takes a collection; what it raises is logged.
        interval_seconds: from one beginning to the next.
    """

    def __init__(self, collect: Callable[[], object], interval_seconds: float) -> None:
        self._collect = collect
        self._interval_seconds = interval_seconds
        self._held = False
        self._last: Callable[[], object] = _nothing
        self._begin()
        before, after, child = (
            weakref.WeakMethod(method)
            for method in (self._before_fork, self._after_fork, self._begin)
        )
        os.register_at_fork(
            before=lambda: (call := before()) and call(),
            after_in_parent=lambda: (call := after()) and call(),
            after_in_child=lambda: (call := child()) and call(),
        )

    def collect(self) -> None:
        """Collect now, after a collection that is under way and a fork that waits."""
        with self._turnstile:
            pass
        with self._collecting:
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
        self._collecting = threading.RLock()
        # a lock is not fair: without it, who always has more to collect would hold up a fork
        self._turnstile = threading.RLock()
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
            except BaseException:
                # a callback may raise what is no Exception, and must not end all metrics
                log.exception("a collection failed")
            pause = max(0.0, self._interval_seconds - (time.monotonic() - start))
        try:
            self._last()
        except BaseException:
            log.exception("the last collection failed")
        self._ended.set()

    def _before_fork(self) -> None:
        self._turnstile.acquire()
        self._held = self._collecting.acquire(timeout=FORK_SECONDS)

    def _after_fork(self) -> None:
        if self._held:
            self._collecting.release()
        self._turnstile.release()


def _nothing() -> object:
    return None
