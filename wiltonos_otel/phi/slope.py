"""The slope of Φ over sliding windows, exact.

Ordinary least squares, slope = (n Σxy - Σx Σy) / (n Σxx - (Σx)²), the formula of PromQL's
``deriv`` (prometheus, promql/functions.go, ``linearRegression``), over left-open, right-closed
windows (now - w, now] as in Prometheus 3. All sums are integers, so nothing drifts with uptime,
and the one division at the end rounds correctly: the result is the double nearest to the exact
rational slope. Decision: docs/decisions/0003-slope.md.
"""

from bisect import bisect_right
from collections.abc import Sequence
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
_COMPACT_AT = 4096


# sums over every sample up to this one: time in ms, n, Σx, Σy, Σxx, Σxy,
# with x in ms since the origin and y = Φ · 1875 · 2**shift
_Sums = tuple[int, int, int, int, int, int]
_BEFORE_ALL: _Sums = (-(1 << 62), 0, 0, 0, 0, 0)
_time = itemgetter(0)


class SlidingSlopes:
    """Slopes per minute over several windows that share their samples.

    Memory is bounded by the samples of the longest window.

    Args:
        windows_ms: lengths of the windows in milliseconds, each positive.
    """

    __slots__ = ("_bases", "_longest", "_origin", "_shift", "_sums", "_widest", "_windows")

    def __init__(self, windows_ms: Sequence[int]) -> None:
        if not windows_ms or min(windows_ms) <= 0:
            raise ValueError(f"windows_ms = {list(windows_ms)}: name positive lengths")
        self._windows = tuple(windows_ms)
        self._longest = max(windows_ms)
        self._widest = self._windows.index(self._longest)
        self._start(0)

    def _start(self, time_ms: int) -> None:
        self._origin = time_ms
        self._shift = _SHIFT
        self._sums: list[_Sums] = [_BEFORE_ALL]
        # per window, the index of the newest sample outside it
        self._bases = [0] * len(self._windows)

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest sample, or None before the first."""
        newest = self._sums[-1]
        return newest[0] if newest[1] else None

    def add(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample that is newer than all before it, or say why not.

        Args:
            time_ms: Unix time in milliseconds.
            phi: a share in [0, 1].
        """
        if not 0.0 <= phi <= 1.0:
            return check_share(phi)
        sums = self._sums
        last_ms, n, sx, sy, sxx, sxy = sums[-1]
        if time_ms - last_ms >= self._longest:
            self._start(time_ms)
            sums = self._sums
            n = sx = sy = sxx = sxy = 0
        elif time_ms <= last_ms:
            return check_order(time_ms, last_ms)
        scaled = phi * _UP
        y = int(scaled)
        if y != scaled or self._shift != _SHIFT:
            y = self._rescale(phi)
            _, n, sx, sy, sxx, sxy = self._sums[-1]
            sums = self._sums
        x = time_ms - self._origin
        y *= _ODD_PART
        sums.append((time_ms, n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y))
        bases = self._bases
        for k, cut in enumerate([time_ms - window for window in self._windows]):
            base = bases[k] + 1
            if sums[base][0] <= cut:
                while sums[base][0] <= cut:
                    base += 1
                bases[k] = base - 1
        if bases[self._widest] >= _COMPACT_AT:
            self._compact()
        return None

    def _rescale(self, phi: float) -> int:
        """Φ as a whole number of 2**-1074, the finest double; all sums follow."""
        more = _FULL_SHIFT - self._shift
        if more:
            self._sums = [
                (t, n, sx, sy << more, sxx, sxy << more) for t, n, sx, sy, sxx, sxy in self._sums
            ]
            self._shift = _FULL_SHIFT
        numerator, denominator = float(phi).as_integer_ratio()
        return numerator * ((1 << _FULL_SHIFT) // denominator)

    def _compact(self) -> None:
        outside = min(self._bases)
        del self._sums[:outside]
        self._bases = [base - outside for base in self._bases]

    def per_minute(self, now_ms: int) -> tuple[float | None, ...]:
        """The slope of each window in Φ per minute; None with fewer than two samples in it.

        A ``now_ms`` before the newest sample counts as the time of that sample.
        """
        sums = self._sums
        newest_ms, n1, sx1, sy1, sxx1, sxy1 = sums[-1]
        bases = self._bases if now_ms <= newest_ms else self._bases_at(now_ms)
        slopes: list[float | None] = []
        for base in bases:
            _, n, sx, sy, sxx, sxy = sums[base]
            n = n1 - n
            if n < 2:
                slopes.append(None)
                continue
            sx = sx1 - sx
            rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
            run = n * (sxx1 - sxx) - sx * sx
            if self._shift == _SHIFT:
                slopes.append(rise / run * _DOWN)
            else:
                slopes.append(rise / (run << (self._shift - _ODD_SHIFT)))
        return tuple(slopes)

    def _bases_at(self, now_ms: int) -> list[int]:
        return [
            bisect_right(self._sums, now_ms - window, lo=base + 1, key=_time) - 1
            for window, base in zip(self._windows, self._bases, strict=True)
        ]


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
