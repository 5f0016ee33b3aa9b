"""The text of a state file as a value, or the first reason why it is none. Pure.

``examine`` finds all reasons; a running exporter needs one, and quickly.
"""

import json
from dataclasses import dataclass

from wiltonos_otel.sources import keys as key
from wiltonos_otel.sources.keys import LOOP, STATE, BadError
from wiltonos_otel.sources.reasons import Bad


@dataclass(frozen=True, slots=True)
class StateSample:
    """What ``quantum_state.json`` says.

    Attributes:
        time_ms: Unix time in milliseconds.
        phi: a share in [0, 1].
        timed: whether the file states the time; else it is the file's modification time.
    """

    time_ms: int
    phi: float
    timed: bool = True


@dataclass(frozen=True, slots=True)
class LoopSample:
    """What ``loops/<loop>.json`` says.

    Attributes:
        time_ms: Unix time in milliseconds.
        phi: a share in [0, 1].
        phi_star: the set-point, or None where the file leaves it to the policy.
        collapses: the writer's running total, or None where the file has none.
        timed: whether the file states the time; else it is the file's modification time.
    """

    time_ms: int
    phi: float
    phi_star: float | None = None
    collapses: int | None = None
    timed: bool = True


def says_simulated(content: bytes) -> bool | None:
    """Whether the text says that it is made up; None where it is no JSON object."""
    try:
        keys = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return keys.get(key.SIMULATED) is True if isinstance(keys, dict) else None


def parse_state(content: bytes, mtime_ms: int, now_ms: int) -> StateSample | Bad:
    """Read the content of ``quantum_state.json``.

    Args:
        content: the bytes of the file.
        mtime_ms: its modification time, the time of the sample where it states none.
        now_ms: Unix time in milliseconds; later than 60 s after it is the future.
    """
    try:
        keys = key.read_object(content)
        key.check_schema(keys, STATE)
        phi = key.phi(keys)
        return StateSample(key.time_ms(keys, mtime_ms, now_ms), phi, "timestamp" in keys)
    except BadError as error:
        return error.bad


def parse_loop(content: bytes, mtime_ms: int, now_ms: int) -> LoopSample | Bad:
    """Read the content of ``loops/<loop>.json``; see ``parse_state``."""
    try:
        keys = key.read_object(content)
        key.check_schema(keys, LOOP)
        return LoopSample(
            phi=key.phi(keys),
            phi_star=key.share(keys, "phi_star") if "phi_star" in keys else None,
            collapses=key.collapses(keys),
            time_ms=key.time_ms(keys, mtime_ms, now_ms),
            timed="timestamp" in keys,
        )
    except BadError as error:
        return error.bad
