"""Identifiers that sort by the time they were made."""

import random
import threading
import time

_LOCK = threading.Lock()
# tells replicas apart, hides nothing: a call of the kernel for each would cost more than the rest
_RANDOM = random.Random()
_last_microseconds = 0


def new_id() -> str:
    """24 characters of a URL; a later one of this process sorts after every earlier one."""
    global _last_microseconds  # noqa: PLW0603 - the order must hold over the whole process
    with _LOCK:
        now = time.time_ns() // 1000
        _last_microseconds = max(now, _last_microseconds + 1)
        stamp = _last_microseconds
    return f"{stamp:016x}{_RANDOM.getrandbits(32):08x}"
