"""The fold over everything that is observed about Φ; pure, time comes in as an argument."""

from wiltonos_otel.phi.band import Band, classify
from wiltonos_otel.phi.loops import CollapseCount, Loop
from wiltonos_otel.phi.sample import FUTURE_TOLERANCE_MS, Refusal
from wiltonos_otel.phi.slope import SlidingSlopes
from wiltonos_otel.phi.snapshot import Snapshot
from wiltonos_otel.phi.sustained import SustainedGood
from wiltonos_otel.policy import STEER_WINDOW_SECONDS, Policy

_MS = 1000


class Tracker:
    """Folds samples of Φ and of its loops into snapshots.

    Wherever ``now_ms`` is given, a sample further ahead than 60 s is refused, and a clock that
    was set back voids the samples that now lie in the future, so that new ones are taken at once.

    Args:
        policy: the coherence policy in force.
        stale_after_ms: age in milliseconds at which a sample stops counting.
    """

    def __init__(self, policy: Policy, stale_after_ms: int) -> None:
        self._policy = policy
        self._stale_after_ms = stale_after_ms
        self._windows = policy.windows_seconds
        self._steer = self._windows.index(STEER_WINDOW_SECONDS)
        self._loops: dict[str, Loop] = {}
        self._start()

    def _start(self) -> None:
        self._phi: float | None = None
        self._time_ms: int | None = None
        self._slopes = SlidingSlopes([seconds * _MS for seconds in self._windows])
        self._sustained = SustainedGood(self._stale_after_ms)

    def observe(self, time_ms: int, phi: float, now_ms: int | None = None) -> Refusal | None:
        """Take a sample of Φ, or say why not.

        Args:
            time_ms: Unix time of the sample in milliseconds, newer than all before it.
            phi: a share in [0, 1].
            now_ms: the reader's Unix time in milliseconds; None trusts the writer's clock.
        """
        if now_ms is not None:
            if time_ms > now_ms + FUTURE_TOLERANCE_MS:
                return Refusal.FUTURE
            if self._time_ms is not None and self._time_ms > now_ms + FUTURE_TOLERANCE_MS:
                self._start()
        made = self._slopes.add(time_ms, phi)
        if isinstance(made, Refusal):
            return made
        self._time_ms, self._phi = time_ms, phi
        self._sustained.observe(time_ms, good=self._is_good(phi, made[self._steer]))
        return None

    def _is_good(self, phi: float, slope: float | None) -> bool | None:
        if classify(phi, self._policy) is not Band.IN:
            return False
        return None if slope is None else abs(slope) <= self._policy.max_rate_per_minute

    def observe_loop(
        self,
        name: str,
        time_ms: int,
        phi: float,
        phi_star: float | None = None,
        collapses: int | None = None,
        *,
        now_ms: int | None = None,
    ) -> Refusal | None:
        """Take a sample of a loop, or say why not; a refused one changes nothing.

        Args:
            name: the loop.
            time_ms: Unix time of the sample in milliseconds, newer than all before it.
            phi: a share in [0, 1].
            phi_star: the set-point; None is the target of the policy.
            collapses: the writer's running total, which may restart; None leaves the count alone.
            now_ms: the reader's Unix time in milliseconds; None trusts the writer's clock.
        """
        loop = self._loops.get(name) or Loop(self._policy.target, CollapseCount())
        if now_ms is not None:
            if time_ms > now_ms + FUTURE_TOLERANCE_MS:
                return Refusal.FUTURE
            if loop.time_ms is not None and loop.time_ms > now_ms + FUTURE_TOLERANCE_MS:
                loop.time_ms = None
        phi_star = self._policy.target if phi_star is None else phi_star
        refusal = loop.check(time_ms, phi, phi_star, collapses)
        if refusal is None:
            self._loops[name] = loop
            loop.time_ms, loop.phi, loop.phi_star = time_ms, phi, phi_star
            if collapses is not None and loop.collapses.read(collapses):
                loop.last_collapse_ms = time_ms
        return refusal

    def collapsed(self, name: str, count: int = 1, time_ms: int | None = None) -> None:
        """Count collapses of a loop that were reported one by one.

        Args:
            name: the loop.
            count: how many, at least 0; with 0 the loop is known and its total announced.
            time_ms: Unix time of the newest of them in milliseconds, where it is known.

        Raises:
            ValueError: the count is negative.
        """
        if count < 0:
            raise ValueError(f"loop {name!r}: {count} collapses; a count never falls")
        loop = self._loops.setdefault(name, Loop(self._policy.target, CollapseCount()))
        loop.collapses.tell(count)
        if count and time_ms is not None:
            loop.last_collapse_ms = time_ms

    def forget_loop(self, name: str) -> None:
        """Drop a loop with its count; one of the same name starts anew."""
        self._loops.pop(name, None)

    def snapshot(self, now_ms: int) -> Snapshot:
        """What is known at ``now_ms`` (Unix time in milliseconds)."""
        loops = {
            name: loop.snapshot(fresh=self._is_fresh(loop.time_ms, now_ms))
            for name, loop in self._loops.items()
        }
        seen = self._time_ms is not None
        if self._phi is None or not self._is_fresh(self._time_ms, now_ms):
            return Snapshot(now_ms, self._time_ms, loops=loops, ever_seen=seen)
        slopes = zip(self._windows, self._slopes.per_minute(now_ms), strict=True)
        return Snapshot(
            now_ms=now_ms,
            time_ms=self._time_ms,
            phi=self._phi,
            band=classify(self._phi, self._policy),
            derivatives={window: slope for window, slope in slopes if slope is not None},
            sustained_good=self._sustained.shares(now_ms),
            loops=loops,
            ever_seen=True,
        )

    def _is_fresh(self, time_ms: int | None, now_ms: int) -> bool:
        if time_ms is None:
            return False
        return -FUTURE_TOLERANCE_MS <= now_ms - time_ms < self._stale_after_ms
