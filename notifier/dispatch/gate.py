"""Posts that nobody can look up, one at a time whatever their channel: a kill doubles one of them.

Where a chat cannot be asked for a post whose answer was lost, a kill leaves every one that is
under way in doubt, and each is posted again. So those of one chat take turns. Who hangs keeps the
others up for a moment only: what hangs is in doubt anyway.
"""

import asyncio
import heapq
import math
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from notifier.clock import Clock, first_of

HANG_SECONDS = 3.0


@dataclass(order=True, slots=True)
class _Place:
    """A place in the line; the urgent ones go first.

    Attributes:
        moved: set when it may be its turn.
    """

    patient: bool
    number: int
    moved: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class Gate:
    """Lets the posts of one chat through, one after the other.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count()
        self._line: list[_Place] = []
        self._began: dict[Turn, float] = {}

    def turn(self) -> "Turn":
        """One turn, not taken yet."""
        return Turn(self)

    async def take(self, turn: "Turn", *, urgent: bool) -> None:
        """Return once the turn has come; at once where nobody else has one or waits."""
        place = _Place(not urgent, next(self._numbers))
        heapq.heappush(self._line, place)
        try:
            while (wait := self._wait_of(place)) > 0:
                place.moved.clear()
                if wait == math.inf:
                    await place.moved.wait()
                else:
                    await first_of(place.moved.wait(), self._clock.sleep(wait))
            self._began[turn] = self._clock.monotonic()
        finally:
            self._line.remove(place)
            heapq.heapify(self._line)
            self._call()

    def end(self, turn: "Turn") -> None:
        """Let the next one go."""
        if self._began.pop(turn, None) is not None:
            self._call()

    def _wait_of(self, place: _Place) -> float:
        """Seconds until it is the turn of a place; without end while others are before it."""
        if self._line[0] is not place:
            return math.inf
        latest = max(self._began.values(), default=-math.inf)
        return latest + HANG_SECONDS - self._clock.monotonic()

    def _call(self) -> None:
        if self._line:
            self._line[0].moved.set()


class Turn:
    """A turn, which ends with its block.

    Args:
        gate: the line; None where nobody has to wait.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._gate = gate
        self._taken = gate is None

    async def take(self, *, urgent: bool) -> bool:
        """Wait for the turn; False where it had come already."""
        if self._gate is None or self._taken:
            return False
        await self._gate.take(self, urgent=urgent)
        self._taken = True
        return True

    def end(self) -> None:
        """Let the next one go; it can be taken once more."""
        if self._gate is not None and self._taken:
            self._taken = False
            self._gate.end(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.end()
