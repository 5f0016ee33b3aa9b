"""The last minutes of Φ as a line to draw: samples, and a gap where there was none."""

from collections import deque

from wiltonos_otel.phi import Snapshot

Point = tuple[int, float | None]


class History:
    """A bounded series of points.

    Args:
        span_ms: how far back it reaches, in milliseconds.
        fresh_ms: age at which a sample no longer stands for now.
    """

    def __init__(self, span_ms: int, fresh_ms: int) -> None:
        self._span_ms = span_ms
        self._fresh_ms = fresh_ms
        self._points: deque[Point] = deque()

    def add(self, snapshot: Snapshot) -> Point | None:
        """Take a moment in; the point that it adds, or None when it adds nothing.

        A value that is only held adds nothing: a frozen line would look like perfect coherence.
        """
        point = self._point_of(snapshot)
        if point is None:
            return None
        # a clock that was set back takes its points with it
        while self._points and self._points[-1][0] >= point[0]:
            self._points.pop()
        self._points.append(point)
        while self._points[0][0] < point[0] - self._span_ms:
            self._points.popleft()
        return point

    def points(self) -> list[Point]:
        """The points, oldest first."""
        return list(self._points)

    def _point_of(self, snapshot: Snapshot) -> Point | None:
        time_ms, phi = snapshot.time_ms, snapshot.phi
        if phi is None or time_ms is None or snapshot.now_ms - time_ms > self._fresh_ms:
            return (snapshot.now_ms, None)
        if self._points and self._points[-1] == (time_ms, phi):
            return None
        return (time_ms, phi)
