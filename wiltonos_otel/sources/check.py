"""Looks at the state files once and says of each whether it would be taken."""

from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.sources.document import LoopSample, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.files import (
    STATE_FILE,
    Found,
    check_loop_name,
    loop_files,
    read_file,
    shown,
)
from wiltonos_otel.sources.reasons import Bad


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file holds.

    Attributes:
        file: its name in the directory, printable.
        outcome: the sample, or why it would be refused.
        age_ms: how old the sample is; negative for one that lies ahead; None without sample.
    """

    file: str
    outcome: StateSample | LoopSample | Bad
    age_ms: int | None

    @property
    def is_bad(self) -> bool:
        """Whether the file would be refused."""
        return isinstance(self.outcome, Bad)


def check_directory(directory: Path, now_ms: int) -> list[Finding]:
    """A finding for every file that is there, Φ first, then the loops by name.

    Args:
        directory: holds ``quantum_state.json`` and ``loops/``.
        now_ms: Unix time in milliseconds.
    """
    findings = []
    if (found := read_file(directory / STATE_FILE)) is not None:
        findings.append(_state(found, now_ms))
    loops = loop_files(directory)
    if isinstance(loops, Bad):
        return [*findings, Finding("loops/", loops, None)]
    looks = ((path, read_file(path)) for path in loops)
    return [*findings, *(_loop(path, found, now_ms) for path, found in looks if found)]


def _state(found: Found, now_ms: int) -> Finding:
    if isinstance(found.content, Bad):
        return Finding(STATE_FILE, found.content, None)
    return _finding(STATE_FILE, parse_state(found.content, found.mtime_ms, now_ms), now_ms)


def _loop(path: Path, found: Found, now_ms: int) -> Finding:
    file = shown(path, path.parent.parent)
    if isinstance(found.content, Bad):
        return Finding(file, found.content, None)
    if bad := check_loop_name(path.stem):
        return Finding(file, bad, None)
    return _finding(file, parse_loop(found.content, found.mtime_ms, now_ms), now_ms)


def _finding(file: str, outcome: StateSample | LoopSample | Bad, now_ms: int) -> Finding:
    age_ms = None if isinstance(outcome, Bad) else now_ms - outcome.time_ms
    return Finding(file, outcome, age_ms)
