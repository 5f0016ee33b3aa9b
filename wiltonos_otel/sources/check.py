"""Looks at the state files once: what of each would be taken, and everything that is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.sources.document import LoopSample, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.examine import Ignored, examine
from wiltonos_otel.sources.files import (
    STATE_FILE,
    Found,
    check_loop_name,
    loop_files,
    read_file,
    shown,
)
from wiltonos_otel.sources.keys import LOOP, STATE, Form
from wiltonos_otel.sources.reasons import Bad

_Sample = StateSample | LoopSample
_PARSERS: dict[Form, Callable[[bytes, int, int], _Sample | Bad]] = {
    STATE: parse_state,
    LOOP: parse_loop,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file holds.

    Attributes:
        file: its name in the directory, printable.
        sample: what would be taken; None where the file would be refused.
        age_ms: how old the sample is; negative for one that lies ahead; None without sample.
        mistakes: every reason why the file would be refused.
        ignored: the keys that nobody reads.
    """

    file: str
    sample: StateSample | LoopSample | None = None
    age_ms: int | None = None
    mistakes: tuple[Bad, ...] = ()
    ignored: tuple[Ignored, ...] = ()

    def is_good(self, *, strict: bool = False) -> bool:
        """Whether the file would be taken; with ``strict``, whether all of it would."""
        return not self.mistakes and not (strict and self.ignored)


def check_directory(directory: Path, now_ms: int) -> list[Finding]:
    """A finding for every file that is there, Φ first, then the loops by name.

    Args:
        directory: holds ``quantum_state.json`` and ``loops/``.
        now_ms: Unix time in milliseconds.
    """
    findings = []
    if (found := read_file(directory / STATE_FILE)) is not None:
        findings.append(_finding(STATE_FILE, STATE, found, now_ms))
    loops = loop_files(directory)
    if isinstance(loops, Bad):
        return [*findings, Finding("loops/", mistakes=(loops,))]
    looks = ((path, read_file(path)) for path in loops)
    return [*findings, *(_loop(path, found, now_ms) for path, found in looks if found)]


def _loop(path: Path, found: Found, now_ms: int) -> Finding:
    finding = _finding(shown(path, path.parent.parent), LOOP, found, now_ms)
    if bad := check_loop_name(path.stem):
        mistakes = (bad, *finding.mistakes)
        return Finding(finding.file, mistakes=mistakes, ignored=finding.ignored)
    return finding


def _finding(file: str, form: Form, found: Found, now_ms: int) -> Finding:
    if isinstance(found.content, Bad):
        return Finding(file, mistakes=(found.content,))
    examined = examine(found.content, form, found.mtime_ms, now_ms)
    outcome = _PARSERS[form](found.content, found.mtime_ms, now_ms)
    sample, age_ms = (
        (None, None) if isinstance(outcome, Bad) else (outcome, now_ms - outcome.time_ms)
    )
    return Finding(file, sample, age_ms, examined.mistakes, examined.ignored)
