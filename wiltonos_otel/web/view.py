"""What the page and other programs read, as JSON values: field names carry their units."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wiltonos_otel.phi import LoopSnapshot, Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.web.history import Point

# a page shows no more; the total is told
MAX_LOOPS = 100


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How the source of the signal is doing.

    Attributes:
        name: its name in ``wiltonos.source.*``.
        location: where it reads, for people.
        errors: refused samples by reason, since the start.
        problems: what is wrong now, one line each.
        simulated: whether the data is made up.
    """

    name: str
    location: str
    errors: Mapping[str, int]
    problems: Sequence[str]
    simulated: bool


def view_policy(policy: Policy, stale_after_seconds: float) -> dict[str, Any]:
    """The thresholds in force."""
    return {
        **policy.limits(),
        "fresh_seconds": policy.fresh_seconds,
        "stale_after_seconds": stale_after_seconds,
        "windows_seconds": list(policy.windows_seconds),
    }


def view_now(
    snapshot: Snapshot,
    source: SourceHealth,
    push: Mapping[str, Any] | None,
    others: Sequence[tuple[Snapshot, SourceHealth]] = (),
) -> dict[str, Any]:
    """One moment.

    Args:
        snapshot: of the source that the page shows.
        source: how that source is doing.
        push: what became of the pushes, where there are any.
        others: the further sources.
    """
    loops = sorted(snapshot.loops.items(), key=_by_pressure)
    return {
        "now_ms": snapshot.now_ms,
        "time_ms": snapshot.time_ms,
        "phi": snapshot.phi,
        "band": snapshot.band,
        "ever_seen": snapshot.ever_seen,
        "derivatives": {f"{window}s": slope for window, slope in snapshot.derivatives.items()},
        "sustained_good": dict(snapshot.sustained_good),
        "loops": [{"name": name, **asdict(loop)} for name, loop in loops[:MAX_LOOPS]],
        "loops_total": len(loops),
        "simulated": source.simulated,
        "source": _view_source(source),
        "other_sources": [
            {
                "time_ms": other.time_ms,
                "phi": other.phi,
                "band": other.band,
                "loops_total": len(other.loops),
                **_view_source(health),
            }
            for other, health in others
        ],
        "push": push,
    }


def _view_source(source: SourceHealth) -> dict[str, Any]:
    return {
        "name": source.name,
        "location": source.location,
        "errors": dict(source.errors),
        "problems": list(source.problems),
    }


def view_all(
    now: Mapping[str, Any], policy: Mapping[str, Any], history: Sequence[Point]
) -> dict[str, Any]:
    """``/api/v1/phi``: the moment, the policy and the last minutes."""
    return {**now, "policy": policy, "history": history}


def view_event(now: Mapping[str, Any], point: Point | None) -> dict[str, Any]:
    """An event of the stream: the moment, and what it adds to the last minutes."""
    return {**now, "point": point}


def _by_pressure(item: tuple[str, LoopSnapshot]) -> tuple[float, str]:
    """The highest pressure first, stale loops last."""
    name, loop = item
    return (1.0 if loop.pressure is None else -loop.pressure, name)
