"""One process per SQLite file: a second one would send every message twice."""

import fcntl
import os
from pathlib import Path

from notifier.errors import StoreError


class FileLock:
    """Held from construction to ``release``, or until the process dies.

    Args:
        database: the file to be guarded; the lock is a file beside it.

    Raises:
        StoreError: another process holds it, or the directory cannot be written.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}.lock")
        try:
            database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{path}: {error.strerror}; make the directory writable, "
                "or set another [notifier] database"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreError(
                f"{database} is in use by another notifier (process {holder or 'unknown'}); "
                "stop it, or set another [notifier] database"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process in."""
        os.close(self._descriptor)
