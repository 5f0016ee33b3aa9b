"""What a digest says besides its incidents. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from notifier.render.budget import joined
from notifier.render.card import duration
from notifier.render.words import Words


@dataclass(frozen=True, slots=True)
class Figures:
    """A backlog in numbers.

    Attributes:
        waiting: incidents that wait for their own message.
        ended: incidents that ended before their turn came, and get none.
        total: incidents of the whole episode.
        seconds: how long those that wait will take.
    """

    waiting: int
    ended: int
    total: int
    seconds: float

    @property
    def over(self) -> bool:
        """Whether nothing waits any more."""
        return self.waiting == 0

    @property
    def listed(self) -> int:
        """How many incidents have no message but the digest."""
        return self.waiting + self.ended


def title(figures: Figures, words: Words) -> str:
    """The first line, with its icon."""
    icon = "✅" if figures.over else "🔴"
    return f"{icon} {words.say('digest', count=figures.total)}"


def note(figures: Figures, words: Words) -> str:
    """How many wait and for how long, and how many ended before their turn came."""
    if figures.over:
        waits = words.say("digest_over")
    else:
        about = duration(timedelta(seconds=_rounded(figures.seconds)))
        waits = words.say("digest_waiting", count=figures.waiting, duration=about)
    ended = words.say("digest_ended", count=figures.ended) if figures.ended else ""
    return joined([waits, ended])


def _rounded(seconds: float) -> float:
    """A digest is edited only when a reader would see a difference worth reading."""
    step = 60 if seconds > 90 else 10
    return max(round(seconds / step), 1) * step
