"""Shows what the services of a native stack wrote, and what they write."""

import os
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from wiltonos_otel.errors import WiltonosError

LINES = 100
PAUSE_SECONDS = 0.2


def log_files(directory: Path, service: str | None) -> dict[str, Path]:
    """Log files by service.

    Raises:
        WiltonosError: there is none of that service.
    """
    found = {file.stem: file for file in sorted(directory.glob("*.log"))}
    if service is None:
        return found
    if service not in found:
        known = ", ".join(found) or "none yet"
        raise WiltonosError(f"there is no log of {service!r}; there are: {known}")
    return {service: found[service]}


def last_lines(file: Path, count: int = LINES) -> list[str]:
    """The last lines of a log."""
    try:
        with file.open("rb") as opened:
            return [_text(line) for line in deque(opened, maxlen=count)]
    except OSError:
        return []


def follow(
    files: dict[str, Path], pause: float = PAUSE_SECONDS
) -> Generator[tuple[str, str], None, None]:
    """Service and line, as they are written; survives that a log is rotated. Never ends."""
    with ExitStack() as stack:
        tails = [(name, stack.enter_context(closing(_Tail(file)))) for name, file in files.items()]
        while True:
            for name, tail in tails:
                for line in tail.lines():
                    yield name, line
            time.sleep(pause)


class _Tail:
    """What is appended to a file from now on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rest = b""
        self._opened: BinaryIO | None = None
        self._open(at_end=True)

    def close(self) -> None:
        """Close the file."""
        if self._opened:
            self._opened.close()

    def lines(self) -> Sequence[str]:
        """The whole lines that came since the last call."""
        read = self._opened.read() if self._opened else b""
        if self._rotated():
            self._open(at_end=False)
            read += self._opened.read() if self._opened else b""
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [_text(line) for line in whole]

    def _open(self, *, at_end: bool) -> None:
        self.close()
        try:
            self._opened = self._file.open("rb")
        except OSError:
            self._opened = None
            return
        if at_end:
            self._opened.seek(0, 2)

    def _rotated(self) -> bool:
        try:
            now = self._file.stat()
        except OSError:
            return False
        if self._opened is None:
            return True
        return now.st_size < self._opened.tell() or not _same(self._opened, now.st_ino)


def _same(opened: BinaryIO, inode: int) -> bool:
    return os.fstat(opened.fileno()).st_ino == inode


def _text(line: bytes) -> str:
    """A line that cannot command the terminal."""
    text = line.rstrip(b"\r\n").decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in text)
