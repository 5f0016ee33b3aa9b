"""What a process does around a fork, in an order that does not depend on who came first.

``os.register_at_fork`` runs the hooks of a child in the order of registration: a thread that
collects would begin while what was registered later still holds the values of the parent.
"""

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

# a fork does not wait longer for what is under way
FORK_SECONDS = 1.0

_Begin = Callable[[], object]
_values: "list[weakref.WeakMethod[_Begin]]" = []
_threads: "list[weakref.WeakMethod[_Begin]]" = []


def in_child(begin: _Begin) -> None:
    """Call a method in every child, before any thread of ours begins, while its object lives."""
    _values.append(weakref.WeakMethod(begin))


def in_child_last(begin: _Begin) -> None:
    """The same for a method that begins a thread."""
    _threads.append(weakref.WeakMethod(begin))


def _begin_in_child() -> None:
    for hook in (*_values, *_threads):
        if begin := hook():
            try:
                begin()
            except Exception:
                # as with hooks of os.register_at_fork: the others begin all the same
                log.exception("a child process begins without %s", begin.__qualname__)


os.register_at_fork(after_in_child=_begin_in_child)


class Unforked:
    """A lock during which the process is not forked: a child would inherit what it protects.

    A fork waits until it is free, for ``FORK_SECONDS`` at most, and who comes meanwhile waits for
    the fork. In a child it is free.
    """

    def __init__(self) -> None:
        self._held = False
        self._begin()
        in_child(self._begin)
        before, after = (
            weakref.WeakMethod(method) for method in (self._before_fork, self._after_fork)
        )
        os.register_at_fork(
            before=lambda: (call := before()) and call(),
            after_in_parent=lambda: (call := after()) and call(),
        )

    @contextmanager
    def held(self, seconds: float = -1) -> Iterator[None]:
        """Hold it, after whoever has it and after a fork that waits.

        Args:
            seconds: how long to wait for whoever has it; -1 is for ever.

        Raises:
            TimeoutError: it is still held.
        """
        with self._turnstile:
            pass
        # after a fork within, the child has another one
        lock = self._lock
        if not lock.acquire(timeout=seconds):
            raise TimeoutError
        try:
            yield
        finally:
            lock.release()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        # a lock is not fair: without it, who always has more to do would hold up a fork
        self._turnstile = threading.RLock()

    def _before_fork(self) -> None:
        self._turnstile.acquire()
        self._held = self._lock.acquire(timeout=FORK_SECONDS)

    def _after_fork(self) -> None:
        if self._held:
            self._lock.release()
        self._turnstile.release()
