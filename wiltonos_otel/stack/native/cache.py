"""The cache of built programs: one directory per build, complete or not there."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wiltonos_otel.errors import WiltonosError


def directory(environ: Mapping[str, str]) -> Path:
    """Where builds are kept: ``wiltonos/native`` in the user's cache (XDG Base Directory)."""
    stated = environ.get("XDG_CACHE_HOME", "")
    cache = Path(stated) if Path(stated).is_absolute() else Path.home() / ".cache"
    return cache / "wiltonos" / "native"


@contextmanager
def locked(cache: Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of one entry, so that two runs do not build it twice.

    Args:
        cache: the cache directory; made where it is missing.
        name: the entry.
        waiting: called once when another process holds the lock.

    Raises:
        WiltonosError: the cache cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / f"{name}.lock").open("w")
    except OSError as error:
        raise WiltonosError(
            f"{cache}: {error.strerror}; make it writable, or set XDG_CACHE_HOME"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def workshop(cache: Path, name: str) -> Iterator[Path]:
    """A scratch directory beside the entry; remains of killed builds of it are removed first.

    The caller holds the entry's lock.
    """
    for remains in cache.glob(f".{name}.*"):
        shutil.rmtree(remains, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def install(result: Path, entry: Path) -> None:
    """Make a finished result the entry, in one step."""
    os.rename(result, entry)  # noqa: PTH104 - the one call that is atomic by contract
