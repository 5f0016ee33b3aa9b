"""How ``wt state check`` says what it found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wiltonos_otel.sources.check import Finding
from wiltonos_otel.sources.document import LoopSample, StateSample

MS = 1000


def lines(finding: Finding, stale_after_ms: float) -> Iterator[str]:
    """One line for a sample or for each mistake, and one for each key that is ignored."""
    if finding.sample:
        yield _good(finding.file, finding.sample, finding.age_ms or 0, stale_after_ms)
    for bad in finding.mistakes:
        yield f"BAD    {finding.file}: {bad.reason}: {bad.detail}"
    for ignored in finding.ignored:
        yield f"warn   {finding.file}: {ignored.detail}"


def as_tree(directory: Path, findings: list[Finding], good: bool) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "directory": str(directory),
        "ok": good,
        "files": [_file_as_tree(finding) for finding in findings],
    }


def _good(file: str, sample: StateSample | LoopSample, age_ms: int, stale_after_ms: float) -> str:
    word = "stale" if age_ms >= stale_after_ms else "ok"
    more = ""
    if isinstance(sample, LoopSample):
        star = "" if sample.phi_star is None else f", Φ★ {sample.phi_star:g}"
        more = star + ("" if sample.collapses is None else f", {sample.collapses} collapses")
    return f"{word:6} {file}: Φ {sample.phi:.4f}{more}, {max(0, age_ms) / MS:.1f} s old"


def _file_as_tree(finding: Finding) -> dict[str, Any]:
    tree: dict[str, Any] = {"file": finding.file, "ok": not finding.mistakes}
    sample = finding.sample
    if finding.mistakes:
        first = finding.mistakes[0]
        tree |= {"reason": first.reason.value, "detail": first.detail}
    if sample:
        tree |= {"phi": sample.phi, "time_ms": sample.time_ms, "age_ms": finding.age_ms}
    if isinstance(sample, LoopSample):
        tree |= {"phi_star": sample.phi_star, "collapses": sample.collapses}
    mistakes = [
        {"key": bad.key, "reason": bad.reason.value, "detail": bad.detail}
        for bad in finding.mistakes
    ]
    warnings = [{"key": ignored.key, "detail": ignored.detail} for ignored in finding.ignored]
    return {**tree, "mistakes": mistakes, "warnings": warnings}


def what_to_write(directory: Path) -> str:
    """What somebody reads who has no state files yet."""
    return (
        f"{directory} holds no state files. Write {directory}/quantum_state.json like\n"
        '  {"timestamp": "2026-11-23T17:00:00Z", "phi": 0.7512}\n'
        f"and, for each loop, {directory}/loops/NAME.json like\n"
        '  {"timestamp": "2026-11-23T17:00:00Z", "phi": 0.74, "phi_star": 0.75, "collapses": 3}\n'
        "or let wt state simulate write them."
    )
