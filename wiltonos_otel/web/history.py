"""The last minutes of Φ, one point per tick, with gaps where there was none."""

from collections import deque

Point = tuple[int, float | None]


class History:
    """A bounded series of points.

    Args:
        span_ms: how far back it reaches, in milliseconds.
    """

    def __init__(self, span_ms: int) -> None:
        self._span_ms = span_ms
        self._points: deque[Point] = deque()

    def add(self, time_ms: int, phi: float | None) -> None:
        """Append a point; points of a clock that was set back give way.

        Args:
            time_ms: Unix time in milliseconds.
            phi: Φ at that time, or None where there was none.
        """
        while self._points and self._points[-1][0] >= time_ms:
            self._points.pop()
        self._points.append((time_ms, phi))
        while self._points[0][0] < time_ms - self._span_ms:
            self._points.popleft()

    def points(self) -> list[Point]:
        """The points, oldest first."""
        return list(self._points)
