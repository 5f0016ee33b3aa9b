"""Keeps the cyclic garbage collector out of a collection of metrics."""

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
_was_enabled = False


@contextmanager
def paused() -> Iterator[None]:
    """No automatic collection of garbage within; nests, and threads may overlap.

    A collection of ten thousand series makes thirty thousand objects that no cycle holds, and
    that are gone when it is rendered or encoded. Meanwhile they push the collector through all
    its generations, and a full one stops every thread: 44 to 176 ms at ten thousand series.
    """
    global _pauses, _was_enabled  # noqa: PLW0603 - the collector is the process's, too
    with _lock:
        if _pauses == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            # fewer than none where the process was forked within
            _pauses = max(0, _pauses - 1)
            if _pauses == 0 and _was_enabled:
                gc.enable()


def resume() -> None:
    """End every pause: what is within one of them hangs, and may do so for ever."""
    with _lock:
        if _pauses and _was_enabled:
            gc.enable()


def _resume_in_child() -> None:
    """The thread that would end the pause is the parent's, and so may be the lock."""
    global _lock, _pauses  # noqa: PLW0603 - see above
    _lock = threading.Lock()
    if _pauses:
        _pauses = 0
        if _was_enabled:
            gc.enable()


os.register_at_fork(after_in_child=_resume_in_child)
