"""Decides what each reading of a state file means, and tells it to a sink."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from wiltonos_otel.clock import Clock
from wiltonos_otel.phi import Refusal
from wiltonos_otel.sources.document import LoopSample, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.files import (
    LOOPS_DIRECTORY,
    STATE_FILE,
    Found,
    Stamp,
    check_loop_name,
    loop_files,
    read_file,
    shown,
    stamp_of,
)
from wiltonos_otel.sources.reasons import Bad, Reason
from wiltonos_service.logs import ChangeLog

log = structlog.stdlib.get_logger("wiltonos_otel.sources")

MAX_LOOPS = 10_000
# a writer that truncates and writes again gets this long before its file counts as torn
SETTLE_SECONDS = 0.1
# the count of a vanished loop stays this long
FORGET_AFTER_SECONDS = 3600.0
_PASSING = frozenset({Reason.EMPTY, Reason.TORN, Reason.VANISHED})

Reading = tuple[Path, Found | None]
Sample = StateSample | LoopSample


class Sink(Protocol):
    """Takes what a source observes; called in the event loop, must not block."""

    def sample(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample of Φ, or say why not."""
        ...

    def loop(
        self,
        name: str,
        time_ms: int,
        phi: float,
        phi_star: float | None,
        collapses: int | None,
    ) -> Refusal | None:
        """Take a sample of a loop, or say why not."""
        ...

    def forget(self, name: str) -> None:
        """Drop a loop whose file vanished long ago."""
        ...

    def error(self, source: str, reason: Reason, detail: str) -> None:
        """Count a content that was not taken.

        Args:
            source: the name of the source.
            reason: why, from the closed list.
            detail: the file and what is wrong with it, for people.
        """
        ...

    def recovered(self, source: str, file: str) -> None:
        """A file that was refused is good again."""
        ...


@dataclass(slots=True)
class _File:
    """What is known of one file.

    Attributes:
        stamp: the writing that was judged last, or None when it was gone.
        sample: the last good one.
        doubted_until: monotonic time up to which a passing error may heal, or None.
        gone_since: monotonic time at which it vanished, or None.
    """

    stamp: Stamp | None = None
    sample: Sample | None = None
    doubted_until: float | None = None
    gone_since: float | None = None


class Intake:
    """What the files of one state directory say, told to a sink.

    ``changed`` and ``read`` do the input and may run in a thread, one call at a time; ``judge``
    belongs to the sink's thread.

    Args:
        directory: holds ``quantum_state.json`` and ``loops/``; need not exist.
        sink: takes samples and errors.
        clock: tells the time.
        name: the source's name in ``wiltonos.source.*``.
    """

    def __init__(self, directory: Path, sink: Sink, clock: Clock, name: str) -> None:
        self._directory = directory
        self._state_path = directory / STATE_FILE
        self._sink = sink
        self._clock = clock
        self._name = name
        self._files: dict[Path, _File] = {}
        self._said = ChangeLog()
        self.problems: dict[str, Bad] = {}

    def changed(self) -> tuple[set[Path], Bad | None]:
        """The files that differ from what was judged, and what is wrong with ``loops/``."""
        loops = loop_files(self._directory)
        bad = loops if isinstance(loops, Bad) else None
        if isinstance(loops, Bad):
            loops = []
        elif len(loops) > MAX_LOOPS:
            bad = Bad(
                Reason.TOO_MANY_LOOPS, f"more than {MAX_LOOPS} loops; the others are left out"
            )
        paths = {self._state_path, *self._files, *loops}
        return {p for p in paths if not _is_same(self._files.get(p), stamp_of(p))}, bad

    def read(self, paths: Iterable[Path]) -> list[Reading]:
        """The contents of the files."""
        return [(path, read_file(path)) for path in paths]

    def judge(self, readings: Iterable[Reading]) -> set[Path]:
        """Tell the sink what is new; return the files to read again after ``SETTLE_SECONDS``."""
        now_ms, monotonic = self._clock.now_ms(), self._clock.monotonic()
        return {path for path, found in readings if self._judge(path, found, now_ms, monotonic)}

    def judge_loops(self, bad: Bad | None) -> None:
        """Tell what is wrong with the directory of the loops, once, and forget old loops."""
        loops = f"{LOOPS_DIRECTORY}/"
        if bad is None:
            self._well(loops)
        elif self.problems.get(loops) != bad:
            self._refuse(loops, bad)
        horizon = self._clock.monotonic() - FORGET_AFTER_SECONDS
        for path, file in list(self._files.items()):
            if file.gone_since is not None and file.gone_since < horizon:
                self._forget(path)

    def _judge(self, path: Path, found: Found | None, now_ms: int, monotonic: float) -> bool:
        """Whether the file should be read again before it is judged."""
        file = self._files.get(path)
        if file is None:
            if found is None or not (path == self._state_path or self._has_room()):
                return False
            file = self._files[path] = _File()
        elif found is not None and found.stamp == file.stamp and file.doubted_until is None:
            return False
        outcome = self._parse(path, found, now_ms)
        if isinstance(outcome, Bad) and self._may_heal(file, outcome, monotonic):
            return True
        file.doubted_until = None
        file.stamp = found.stamp if found else None
        file.gone_since = None if found or path == self._state_path else monotonic
        if not isinstance(outcome, Bad):
            self._tell(path, file, outcome)
        else:
            self._refuse(shown(path, self._directory), outcome)
        return False

    def _has_room(self) -> bool:
        """Whether one more loop can be followed; the longest gone makes room."""
        if len(self._files) - (self._state_path in self._files) < MAX_LOOPS:
            return True
        gone = [(f.gone_since, p) for p, f in self._files.items() if f.gone_since is not None]
        if gone:
            self._forget(min(gone)[1])
        return bool(gone)

    def _forget(self, path: Path) -> None:
        del self._files[path]
        self.problems.pop(shown(path, self._directory), None)
        self._said.changed(shown(path, self._directory), "")
        self._sink.forget(path.stem)

    def _may_heal(self, file: _File, bad: Bad, monotonic: float) -> bool:
        if bad.reason not in _PASSING:
            return False
        if file.doubted_until is None:
            file.doubted_until = monotonic + SETTLE_SECONDS
        return monotonic < file.doubted_until

    def _parse(self, path: Path, found: Found | None, now_ms: int) -> Sample | Bad:
        if found is None:
            return Bad(Reason.VANISHED, "the file is gone; write it again")
        if isinstance(found.content, Bad):
            return found.content
        if path == self._state_path:
            return parse_state(found.content, found.mtime_ms, now_ms)
        return check_loop_name(path.stem) or parse_loop(found.content, found.mtime_ms, now_ms)

    def _tell(self, path: Path, file: _File, sample: Sample) -> None:
        if sample == file.sample:
            # written again, or back again, without a new sample: neither news nor a mistake
            self._well(shown(path, self._directory))
            return
        if isinstance(sample, LoopSample):
            refusal = self._sink.loop(
                path.stem, sample.time_ms, sample.phi, sample.phi_star, sample.collapses
            )
        else:
            refusal = self._sink.sample(sample.time_ms, sample.phi)
        if refusal is not None:
            self._refuse(
                shown(path, self._directory), Bad(Reason(refusal.value), _REFUSED[refusal])
            )
            return
        file.sample = sample
        self._well(shown(path, self._directory))

    def _refuse(self, file: str, bad: Bad) -> None:
        self.problems[file] = bad
        self._sink.error(self._name, bad.reason, f"{file}: {bad.detail}")
        if self._said.changed(file, bad.reason):
            log.warning(
                "state file refused",
                source=self._name,
                file=file,
                reason=bad.reason.value,
                detail=bad.detail,
            )

    def _well(self, file: str) -> None:
        if self.problems.pop(file, None) is not None:
            self._sink.recovered(self._name, file)
        if self._said.changed(file, ""):
            log.info("state file is good again", source=self._name, file=file)


_REFUSED = {
    Refusal.NON_FINITE: "phi is not finite",
    Refusal.OUT_OF_RANGE: "phi is no share between 0 and 1",
    Refusal.BACKWARDS: "older than the sample before; write rising times",
    Refusal.REPEATED: "the same time as the sample before, with another value; write rising times",
    Refusal.FUTURE: "the time is more than 60 s ahead; set the clocks",
    Refusal.BAD_COLLAPSES: "collapses is no running total",
}


def _is_same(file: _File | None, stamp: Stamp | None) -> bool:
    """Whether a look at the file would bring nothing new."""
    if file is None:
        return stamp is None
    return file.doubted_until is None and file.stamp == stamp
