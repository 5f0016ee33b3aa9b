"""Identifiers that sort by the time they were made."""

import secrets
import threading
import time

_LOCK = threading.Lock()
_last_microseconds = 0


def new_id() -> str:
    """24 characters of a URL; a later one of this process sorts after every earlier one."""
    global _last_microseconds  # noqa: PLW0603 - the order must hold over the whole process
    with _LOCK:
        now = time.time_ns() // 1000
        _last_microseconds = max(now, _last_microseconds + 1)
        stamp = _last_microseconds
    return f"{stamp:016x}{secrets.token_hex(4)}"
