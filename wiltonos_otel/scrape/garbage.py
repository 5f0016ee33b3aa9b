"""Keeps the cyclic garbage collector out of a scrape."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
_was_enabled = False


@contextmanager
def paused() -> Iterator[None]:
    """No automatic collection within; nests, and threads may overlap.

    A collection of ten thousand series makes thirty thousand objects that no cycle holds, and
    that are gone when the text is made. Meanwhile they push the collector through all its
    generations, and a full one stops every thread: 44 to 176 ms at ten thousand series.
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
            _pauses -= 1
            if _pauses == 0 and _was_enabled:
                gc.enable()
