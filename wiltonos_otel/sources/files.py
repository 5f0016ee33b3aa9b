"""Opens state files without ever waiting for one: pipes, devices and directories are refused."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.sources.reasons import Bad, Reason

MAX_BYTES = 1 << 20
STATE_FILE = "quantum_state.json"
LOOPS_DIRECTORY = "loops"
SUFFIX = ".json"
MAX_NAME_LENGTH = 100
_SHOWN_LENGTH = 120
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# which writing of a file this is: device, inode, size, modification and change time in ns;
# where the file cannot be looked at, the number of the error
Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in the place of a state file.

    Attributes:
        stamp: which writing it was.
        mtime_ms: its modification time, Unix milliseconds.
        content: the bytes, or why there are none.
    """

    stamp: Stamp
    mtime_ms: int
    content: bytes | Bad


def read_file(path: Path) -> Found | None:
    """What a regular file of at most 1 MiB holds, or why it cannot be taken; None without file.

    Never waits: nothing but a regular file is opened, and it is opened without blocking in case
    that it is exchanged for a pipe meanwhile.
    """
    try:
        status = path.stat()
        return _found(status, bad) if (bad := _not_a_file(status)) else _read(path)
    except FileNotFoundError as error:
        if not path.is_symlink():
            return None
        return _missing(error, Reason.DANGLING_LINK, "a link to nothing; write a file in its place")
    except NotADirectoryError as error:
        detail = f"{path.parent.name} is no directory; make it one"
        return _missing(error, Reason.NOT_A_FILE, detail)
    except OSError as error:
        return _missing(error, Reason.UNREADABLE, f"{error.strerror}; make it readable")


def stamp_of(path: Path) -> Stamp | None:
    """Which writing of the file is there now; None without file."""
    try:
        return _stamp(path.stat())
    except FileNotFoundError as error:
        return (error.errno or 0,) if path.is_symlink() else None
    except OSError as error:
        return (error.errno or 0,)


def loop_files(directory: Path) -> list[Path] | Bad:
    """The files of the loops, sorted by name; none where there is no directory of loops."""
    try:
        with os.scandir(directory / LOOPS_DIRECTORY) as entries:
            names = sorted(entry.name for entry in entries if is_loop_file(entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        return Bad(Reason.UNREADABLE, f"{error.strerror}; make it readable")
    return [directory / LOOPS_DIRECTORY / name for name in names]


def is_loop_file(name: str) -> bool:
    """Whether a file name in ``loops/`` is a loop's; hidden and temporary files are none."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def check_loop_name(name: str) -> Bad | None:
    """Why the name cannot be a label that people read, or None when it can."""
    if len(name) > MAX_NAME_LENGTH:
        return Bad(Reason.BAD_NAME, f"a name of more than {MAX_NAME_LENGTH} characters; shorten it")
    if not name.isprintable() or name != name.strip():
        return Bad(Reason.BAD_NAME, "a name with characters that do not print; rename it")
    return None


def shown(path: Path, directory: Path) -> str:
    """The file as people read it: relative, on one line, whatever its name holds."""
    text = str(path.relative_to(directory))
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 1]}…"


def _read(path: Path) -> Found:
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if bad := _not_a_file(status):
            return _found(status, bad)
        content = b""
        while len(content) <= MAX_BYTES:
            chunk = os.read(descriptor, MAX_BYTES + 1 - len(content))
            if not chunk:
                return _found(status, content)
            content += chunk
        detail = "more than 1 MiB; a state file has a few hundred bytes"
        return _found(status, Bad(Reason.OVERSIZED, detail))
    finally:
        os.close(descriptor)


def _found(status: os.stat_result, content: bytes | Bad) -> Found:
    return Found(_stamp(status), status.st_mtime_ns // 1_000_000, content)


def _missing(error: OSError, reason: Reason, detail: str) -> Found:
    return Found((error.errno or 0,), 0, Bad(reason, detail))


def _not_a_file(status: os.stat_result) -> Bad | None:
    if stat.S_ISREG(status.st_mode):
        return None
    kinds = {stat.S_IFDIR: "directory", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "device")
    return Bad(Reason.NOT_A_FILE, f"a {kind}; write a file in its place")


def _stamp(status: os.stat_result) -> Stamp:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
