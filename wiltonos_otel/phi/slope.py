"""The slope of Φ over sliding windows, exact.

Ordinary least squares, slope = (n Σxy - Σx Σy) / (n Σxx - (Σx)²), the formula of PromQL's
``deriv`` (prometheus, promql/functions.go, ``linearRegression``), over left-open, right-closed
windows (now - w, now] as in Prometheus 3. All sums are integers, so nothing drifts with uptime,
and the one division at the end rounds correctly: the result is the double nearest to the exact
rational slope. Decision: docs/decisions/0003-slope.md.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import floor, inf
from operator import itemgetter

from wiltonos_otel.phi.sample import Refusal, check_order, check_share

MS_PER_MINUTE = 60_000
# every double in [2**-8, 1] is a whole number of 2**-60, every double a whole number of 2**-1074
_SHIFT = 60
_FULL_SHIFT = 1074
# 60000 = 1875 * 2**5: the odd part goes into the integers, the power of two scales exactly
_ODD_PART = 1875
_ODD_SHIFT = 5
_UP = 2.0**_SHIFT
_DOWN = 2.0 ** (_ODD_SHIFT - _SHIFT)
_LEAST = 2.0**-8
# so seldom that it costs next to nothing
_COMPACT_MASK = 1023


# x of a sample, and sums over every sample up to it: n, Σx, Σy, Σxx, Σxy,
# with x in ms since the origin and y = Φ · 1875 · 2**shift
_Sums = tuple[int, int, int, int, int, int]
_BEFORE_ALL: _Sums = (-(1 << 62), 0, 0, 0, 0, 0)
_x = itemgetter(0)


class SlidingSlopes:
    """Slopes per minute over several windows that share their samples.

    Memory is bounded by the samples of the longest window.

    Args:
        windows_ms: lengths of the windows in milliseconds, each positive.
    """

    __slots__ = (
        "_least",
        "_longest",
        "_origin",
        "_shift",
        "_slopes",
        "_sums",
        "_windows",
    )

    def __init__(self, windows_ms: Sequence[int]) -> None:
        if not windows_ms or min(windows_ms) <= 0:
            raise ValueError(f"windows_ms = {list(windows_ms)}: name positive lengths")
        self._longest = max(windows_ms)
        # per window its length, and the index of the newest sample outside it
        self._windows = [[length, 0] for length in windows_ms]
        self._start(0)

    def _start(self, time_ms: int) -> None:
        """Begin with empty windows and small numbers."""
        self._origin = time_ms
        self._shift = _SHIFT
        self._least = _LEAST
        self._sums = [_BEFORE_ALL]
        self._slopes: list[float | None] = [None] * len(self._windows)
        for window in self._windows:
            window[1] = 0

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest sample, or None before the first."""
        newest = self._sums[-1]
        return self._origin + newest[0] if newest[1] else None

    def add(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample that is newer than all before it, or say why not.

        Args:
            time_ms: Unix time in milliseconds.
            phi: a share in [0, 1].
        """
        if not 0.0 <= phi <= 1.0:
            return check_share(phi)
        sums = self._sums
        x = time_ms - self._origin
        last, n1, sx1, sy1, sxx1, sxy1 = sums[-1]
        if not 0 < x - last < self._longest:
            if x <= last:
                return check_order(x, last)
            self._start(time_ms)
            sums = self._sums
            x = n1 = sx1 = sy1 = sxx1 = sxy1 = 0
        if phi < self._least:
            self._add_scaled(x, self._scale(phi))
            return None
        # from here on as in _add_scaled, in line: calls would be a fifth of the cost of a sample
        y = floor(phi * _UP) * _ODD_PART
        n1 += 1
        sx1 += x
        sy1 += y
        sxx1 += x * x
        sxy1 += x * y
        sums.append((x, n1, sx1, sy1, sxx1, sxy1))
        slopes: list[float | None] = []
        for window in self._windows:
            length, base = window
            cut = x - length
            if sums[base + 1][0] <= cut:
                base += 1
                while sums[base + 1][0] <= cut:
                    base += 1
                window[1] = base
            _, n, sx, sy, sxx, sxy = sums[base]
            n = n1 - n
            sx = sx1 - sx
            run = n * (sxx1 - sxx) - sx * sx
            slopes.append((n * (sxy1 - sxy) - sx * (sy1 - sy)) / run * _DOWN if run else None)
        self._slopes = slopes
        if not n1 & _COMPACT_MASK:
            self._compact()
        return None

    def _add_scaled(self, x: int, y: int) -> None:
        _, n, sx, sy, sxx, sxy = self._sums[-1]
        y *= _ODD_PART
        self._sums.append((x, n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y))
        for window, base in zip(self._windows, self._bases_at(x), strict=True):
            window[1] = base
        self._slopes = [self._slope(base) for _, base in self._windows]
        self._compact()

    def _scale(self, phi: float) -> int:
        """Φ as a whole number of 2**-shift; the shift and all sums follow where they must."""
        numerator, denominator = float(phi).as_integer_ratio()
        if denominator > 1 << self._shift:
            more = _FULL_SHIFT - self._shift
            self._sums = [
                (x, n, sx, sy << more, sxx, sxy << more) for x, n, sx, sy, sxx, sxy in self._sums
            ]
            self._shift = _FULL_SHIFT
            # from now on no Φ takes the fast way
            self._least = inf
        return numerator * ((1 << self._shift) // denominator)

    def per_minute(self, now_ms: int) -> tuple[float | None, ...]:
        """The slope of each window in Φ per minute; None with fewer than two samples in it.

        A ``now_ms`` before the newest sample counts as the time of that sample.
        """
        now = now_ms - self._origin
        if now <= self._sums[-1][0]:
            return tuple(self._slopes)
        return tuple(self._slope(base) for base in self._bases_at(now))

    def _bases_at(self, x: int) -> list[int]:
        """Per window, the index of the newest sample outside it."""
        return [
            bisect_right(self._sums, x - length, lo=base + 1, key=_x) - 1
            for length, base in self._windows
        ]

    def _slope(self, base: int) -> float | None:
        """The slope of the samples after ``base``; different times make ``run`` positive."""
        _, n1, sx1, sy1, sxx1, sxy1 = self._sums[-1]
        _, n, sx, sy, sxx, sxy = self._sums[base]
        n = n1 - n
        sx = sx1 - sx
        run = n * (sxx1 - sxx) - sx * sx
        if not run:
            return None
        rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
        return rise / (run << (self._shift - _ODD_SHIFT))

    def _compact(self) -> None:
        """Forget what is outside every window."""
        outside = min(base for _, base in self._windows)
        del self._sums[:outside]
        for window in self._windows:
            window[1] -= outside


class SlidingSlope:
    """The slope per minute over one window; see ``SlidingSlopes``.

    Args:
        window_ms: length of the window in milliseconds, positive.
    """

    __slots__ = ("_slopes",)

    def __init__(self, window_ms: int) -> None:
        self._slopes = SlidingSlopes((window_ms,))

    def add(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample that is newer than all before it, or say why not."""
        return self._slopes.add(time_ms, phi)

    def per_minute(self, now_ms: int) -> float | None:
        """The slope in Φ per minute, or None with fewer than two samples in (now - w, now]."""
        return self._slopes.per_minute(now_ms)[0]
