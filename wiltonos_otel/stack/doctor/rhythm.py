"""What the times of a series' samples tell about who pushes it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, pstdev

# a steady sender's gaps vary less than this against their mean, also on a busy machine
STEADY = 0.15
UNEVEN = 0.3
LEAST_GAPS = 9
MOST_SENDERS = 4
# a restart or two may happen; a fourth fall of what only grows has another reason
FALLS = 3
# what the SDK makes up where nobody states an instance (OTel SDK 1.43 and later): UUID version 4
_MADE_UP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The samples of one series, oldest first.

    Attributes:
        times: Unix seconds.
        values: of the samples.
    """

    times: Sequence[float]
    values: Sequence[float]

    @property
    def gaps(self) -> list[float]:
        """Seconds between samples."""
        return [after - before for before, after in pairwise(self.times)]

    @property
    def interval(self) -> float | None:
        """The usual gap, seconds; None with less than two samples."""
        return median(self.gaps) if len(self.times) > 1 else None

    @property
    def falls(self) -> int:
        """How often the value went down."""
        return sum(after < before for before, after in pairwise(self.values))

    def senders(self) -> int:
        """How many steady senders push it, as far as their phases tell.

        Several of them push in turn: single gaps are uneven, and as many together are even.
        """
        gaps = self.gaps
        if len(gaps) < LEAST_GAPS or _spread(gaps) < UNEVEN:
            return 1
        for count in range(2, MOST_SENDERS + 1):
            if _spread([sum(gaps[i : i + count]) for i in range(len(gaps) - count + 1)]) < STEADY:
                return count
        return 1


def replaced(rhythms: Mapping[str, Rhythm], silent_since: float) -> dict[str, str]:
    """The instances that ended before another began, each with that one.

    Only random ids count: one that somebody has given belongs to a process that is gone.

    Args:
        rhythms: of one service, by instance.
        silent_since: Unix seconds; who was heard later than this has not ended.
    """
    known = {
        name: rhythm.times
        for name, rhythm in rhythms.items()
        if rhythm.times and _MADE_UP.fullmatch(name)
    }
    found = {}
    for name, times in known.items():
        later = [(other[0], heir) for heir, other in known.items() if other[0] > times[-1]]
        if later and times[-1] < silent_since:
            found[name] = min(later)[1]
    return found


def _spread(numbers: Sequence[float]) -> float:
    mean = fmean(numbers)
    return pstdev(numbers) / mean if mean else 0.0
