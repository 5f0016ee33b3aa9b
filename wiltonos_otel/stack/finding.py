"""What a check of one hop of the pipe found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a hop is doing."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of one hop found.

    Attributes:
        hop: the part of the pipe.
        verdict: ok, worth a note, or broken.
        detail: what was seen, one line.
        mend: what to do about it; "" when all is well.
    """

    hop: str
    verdict: Verdict
    detail: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether data passes this hop."""
        return self.verdict is not Verdict.BROKEN


def ok(hop: str, detail: str) -> Finding:
    """All is well."""
    return Finding(hop, Verdict.OK, detail)


def note(hop: str, detail: str, mend: str) -> Finding:
    """Data passes, and somebody should know this."""
    return Finding(hop, Verdict.NOTE, detail, mend)


def broken(hop: str, detail: str, mend: str) -> Finding:
    """Data does not pass, or not rightly."""
    return Finding(hop, Verdict.BROKEN, detail, mend)
