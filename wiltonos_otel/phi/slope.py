"""The slope of Φ over sliding windows, exact.

Ordinary least squares, slope = (n Σxy - Σx Σy) / (n Σxx - (Σx)²), the formula of PromQL's
``deriv`` (prometheus, promql/functions.go, ``linearRegression``), over left-open, right-closed
windows (now - w, now] as in Prometheus 3. All sums are integers, so nothing drifts with uptime,
and the one division at the end rounds correctly: the result is the double nearest to the exact
rational slope. Decision: docs/decisions/0003-slope.md.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import floor, inf

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
# before every sample
_NEVER = -(1 << 62)
# samples between two times of tidying up: so many that it costs next to nothing
_TIDY_AFTER = 1024
# integers up to 2**30 are the fastest; in milliseconds that is twelve days
_FAR = 1 << 29
# how many windows the fast way takes: as many as a policy has unless somebody changed it
_USUAL = 3

# of each window, in the order of the windows
Slopes = tuple[float | None, ...]

# Σx, Σy, Σxx, Σxy, with x in ms since the origin and y = Φ · 1875 · 2**shift
_Sums = tuple[int, int, int, int]
_NOTHING: _Sums = (0, 0, 0, 0)


class SlidingSlopes:
    """Slopes per minute over several windows that share their samples.

    Memory is bounded by the samples of the longest window.

    Args:
        windows_ms: lengths of the windows in milliseconds, each positive.
    """

    __slots__ = (
        "_firsts",
        "_full",
        "_least",
        "_lengths",
        "_newest",
        "_origin",
        "_shift",
        "_slopes",
        "_sums",
        "_times",
    )

    def __init__(self, windows_ms: Sequence[int]) -> None:
        if not windows_ms or min(windows_ms) <= 0:
            raise ValueError(f"windows_ms = {list(windows_ms)}: name positive lengths")
        self._lengths = tuple(windows_ms)
        self._newest = _NEVER
        self._start(0)
        # the first sample chooses the origin, which is not the fast way's business
        self._least = inf

    def _start(self, origin_ms: int) -> None:
        """Begin with empty windows and small numbers."""
        self._origin = origin_ms
        self._shift = _SHIFT
        # the smallest Φ that takes the fast way
        self._least = _LEAST if len(self._lengths) == _USUAL else inf
        # x of each sample, and the sums over all before it; the last ones are those over all
        self._times: list[int] = []
        self._sums = [_NOTHING]
        # per window, the index of its oldest sample
        self._firsts: tuple[int, ...] = (0,) * len(self._lengths)
        self._slopes: Slopes = (None,) * len(self._lengths)
        self._full = _TIDY_AFTER

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest sample, or None before the first."""
        return self._newest if self._times else None

    def add(self, time_ms: int, phi: float) -> Slopes | Refusal:
        """Take a sample that is newer than all before it, or say why not.

        Args:
            time_ms: Unix time in milliseconds.
            phi: a share in [0, 1].

        Returns:
            What ``per_minute`` says at the time of the sample, or why it was refused.
        """
        if not (self._least <= phi <= 1.0 and time_ms > self._newest):
            return self._add_any(time_ms, phi)
        # what _append, _slide and _slope do, written out: loop and calls would cost a fifth more
        self._newest = time_ms
        x = time_ms - self._origin
        y = floor(phi * _UP) * _ODD_PART
        times, sums = self._times, self._sums
        sx1, sy1, sxx1, sxy1 = sums[-1]
        sx1 += x
        sy1 += y
        sxx1 += x * x
        sxy1 += x * y
        times.append(x)
        sums.append((sx1, sy1, sxx1, sxy1))
        count = len(times)
        i, j, k = self._firsts
        length_i, length_j, length_k = self._lengths
        try:
            cut = x - length_i
            while times[i] <= cut:
                i += 1
            sx, sy, sxx, sxy = sums[i]
            n = count - i
            sx = sx1 - sx
            rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
            slope_i = rise / (n * (sxx1 - sxx) - sx * sx) * _DOWN
            cut = x - length_j
            while times[j] <= cut:
                j += 1
            sx, sy, sxx, sxy = sums[j]
            n = count - j
            sx = sx1 - sx
            rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
            slope_j = rise / (n * (sxx1 - sxx) - sx * sx) * _DOWN
            cut = x - length_k
            while times[k] <= cut:
                k += 1
            sx, sy, sxx, sxy = sums[k]
            n = count - k
            sx = sx1 - sx
            rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
            slope_k = rise / (n * (sxx1 - sxx) - sx * sx) * _DOWN
        except ZeroDivisionError:
            # a window with one sample; asking first would cost every sample something
            return self._conclude(x)
        self._firsts = i, j, k
        self._slopes = slopes = slope_i, slope_j, slope_k
        if count >= self._full:
            self._tidy()
        return slopes

    def _add_any(self, time_ms: int, phi: float) -> Slopes | Refusal:
        """Take any sample, or say why not."""
        refusal = check_share(phi) or check_order(time_ms, self._newest)
        if refusal is not None:
            return refusal
        if time_ms - self._newest >= max(self._lengths):
            self._start(time_ms)
        self._newest = time_ms
        x = time_ms - self._origin
        self._append(x, self._scale(phi) * _ODD_PART)
        return self._conclude(x)

    def _conclude(self, x: int) -> Slopes:
        """The slopes after the sample at ``x``, which is the newest."""
        self._firsts = self._slide(x)
        self._slopes = tuple(self._slope(first) for first in self._firsts)
        if len(self._times) >= self._full:
            self._tidy()
        return self._slopes

    def _append(self, x: int, y: int) -> None:
        sx, sy, sxx, sxy = self._sums[-1]
        self._times.append(x)
        self._sums.append((sx + x, sy + y, sxx + x * x, sxy + x * y))

    def _scale(self, phi: float) -> int:
        """Φ as a whole number of 2**-shift; the shift and all sums follow where they must."""
        numerator, denominator = float(phi).as_integer_ratio()
        if denominator > 1 << self._shift:
            more = _FULL_SHIFT - self._shift
            self._sums = [(sx, sy << more, sxx, sxy << more) for sx, sy, sxx, sxy in self._sums]
            self._shift = _FULL_SHIFT
            # from now on no Φ takes the fast way
            self._least = inf
        return numerator * ((1 << self._shift) // denominator)

    def per_minute(self, now_ms: int) -> Slopes:
        """The slope of each window in Φ per minute; None with fewer than two samples in it.

        A ``now_ms`` before the newest sample counts as the time of that sample.
        """
        if now_ms <= self._newest:
            return self._slopes
        return tuple(self._slope(first) for first in self._slide(now_ms - self._origin))

    def _slide(self, x: int) -> tuple[int, ...]:
        """Per window that ends at ``x``, the index of its oldest sample."""
        return tuple(
            bisect_right(self._times, x - length, lo=first)
            for length, first in zip(self._lengths, self._firsts, strict=True)
        )

    def _slope(self, first: int) -> float | None:
        """The slope from the sample ``first`` on; different times make ``run`` positive."""
        sx1, sy1, sxx1, sxy1 = self._sums[-1]
        sx, sy, sxx, sxy = self._sums[first]
        n = len(self._times) - first
        sx = sx1 - sx
        run = n * (sxx1 - sxx) - sx * sx
        if not run:
            return None
        rise = n * (sxy1 - sxy) - sx * (sy1 - sy)
        return rise / (run << (self._shift - _ODD_SHIFT))

    def _tidy(self) -> None:
        """Forget what is outside every window, and keep the numbers small."""
        outside = min(self._firsts)
        del self._times[:outside]
        del self._sums[:outside]
        self._firsts = tuple(first - outside for first in self._firsts)
        self._full = len(self._times) + _TIDY_AFTER
        if self._times[-1] >= _FAR:
            self._move_origin(self._times[0])

    def _move_origin(self, by: int) -> None:
        times, ys = self._times, [after[1] - before[1] for before, after in pairwise(self._sums)]
        self._origin += by
        self._times, self._sums = [], [_NOTHING]
        for x, y in zip(times, ys, strict=True):
            self._append(x - by, y)


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
        made = self._slopes.add(time_ms, phi)
        return made if isinstance(made, Refusal) else None

    def per_minute(self, now_ms: int) -> float | None:
        """The slope in Φ per minute, or None with fewer than two samples in (now - w, now]."""
        return self._slopes.per_minute(now_ms)[0]
