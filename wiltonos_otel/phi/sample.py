"""A sample of Φ, and the closed list of reasons for which one is refused."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

# how far ahead of the reader's clock a writer's clock may be
FUTURE_TOLERANCE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Φ at one moment.

    Attributes:
        time_ms: Unix time in milliseconds.
        phi: the quantum coherence ratio, a share in [0, 1].
    """

    time_ms: int
    phi: float


class Refusal(StrEnum):
    """Why a sample was refused; the ``reason`` attribute of ``wiltonos.source.errors``."""

    NON_FINITE = "non_finite"
    OUT_OF_RANGE = "out_of_range"
    BACKWARDS = "backwards"
    REPEATED = "repeated"
    FUTURE = "future"
    BAD_COLLAPSES = "bad_collapses"


def check_share(value: float) -> Refusal | None:
    """Why the value is no share in [0, 1], or None when it is one."""
    if 0.0 <= value <= 1.0:
        return None
    return Refusal.OUT_OF_RANGE if isfinite(value) else Refusal.NON_FINITE


def check_order(time_ms: int, newest_ms: int) -> Refusal | None:
    """Why a sample cannot follow one taken at ``newest_ms``, or None when it can."""
    if time_ms > newest_ms:
        return None
    return Refusal.REPEATED if time_ms == newest_ms else Refusal.BACKWARDS
