"""Ends things within a bound, whatever they hang on."""

import threading
from collections.abc import Callable


def bounded(work: Callable[[], object], seconds: float) -> None:
    """Wait for the work for so long at most; it goes on in a daemon thread of its own.

    Not in this thread: a signal handler may hold a lock that the work needs. Only while the
    interpreter ends, when Python 3.12 and later start no thread, this one does the work.
    """
    thread = threading.Thread(target=work, name="wiltonos-telemetry-end", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()
    else:
        thread.join(seconds)
