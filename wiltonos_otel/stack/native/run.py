"""Runs a build command so that it can be watched, interrupted, and explained when it fails."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from wiltonos_otel.errors import WiltonosError

KEPT_LINES = 40
GRACE_SECONDS = 5.0
# ten times what the longest step takes on one slow core
LIMIT_SECONDS = 3600.0
_OFFLINE = re.compile(
    r"dial tcp|no such host|i/o timeout|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|"
    r"Failed to establish|Temporary failure|error sending request|dns error",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device|ENOSPC", re.IGNORECASE)


class BuildError(WiltonosError):
    """A part of the native stack could not be built; the text says at which step and why."""


def run(
    title: str,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    line: Callable[[str], None],
    limit_seconds: float = LIMIT_SECONDS,
) -> str:
    """Run a command at low priority and return what it wrote; it ends with us, however we end.

    Args:
        title: the step, for the error.
        argv: the command.
        cwd: where it runs.
        env: its whole environment.
        line: called with every line that it writes.
        limit_seconds: how long it may take.

    Raises:
        BuildError: it could not be started, failed, or took too long.
    """
    process = _start(title, argv, cwd, env)
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    with _ended_after(process, limit_seconds) as late:
        for text in process.stdout or ():
            kept.append(text.rstrip())
            line(kept[-1])
    if late.is_set():
        raise BuildError(f"{title}: no end after {limit_seconds:.0f} s; start again")
    if process.returncode:
        raise BuildError(_explain(title, process.returncode, kept))
    return "\n".join(kept)


def _start(
    title: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> subprocess.Popen[str]:
    nice = shutil.which("nice")
    command = [nice, "-n", "10", *argv] if nice else list(argv)
    try:
        return subprocess.Popen(  # noqa: S603 - the words come from our recipes
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"{title}: cannot start {argv[0]}: {error.strerror}") from None


@contextmanager
def _ended_after(process: subprocess.Popen[str], seconds: float) -> Iterator[threading.Event]:
    """Wait for the process behind the block; end it when the time is over or the block fails.

    Yields:
        set when the time was over.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        end_group(process)

    watch = threading.Timer(seconds, give_up)
    watch.daemon = True
    watch.start()
    # leaving the outer block waits for the process: it must have been ended by then
    with process:
        try:
            yield late
            process.wait()
        except BaseException:
            end_group(process)
            raise
        finally:
            watch.cancel()


def end_group(process: subprocess.Popen[str]) -> None:
    """End a command and all that it started; the command leads a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _explain(title: str, code: int, lines: Sequence[str]) -> str:
    said = [text for text in lines if text.strip() and not text.startswith("go: downloading")]
    text = "\n".join(said)
    last = said[-1] if said else "it wrote nothing"
    if _FULL.search(text):
        return (
            f"{title}: the disk is full; free about 4 GB and start again, finished parts are kept"
        )
    if match := _OFFLINE.search(text):
        line = next(part for part in said if match.group(0) in part)
        return f"{title}: no network ({line.strip()[:200]}); connect and start again"
    return f"{title}: failed (exit {code}): {last.strip()[:300]}"
