"""The text of a state file as a value, or the reason why it is none. Pure.

The format is ``state.schema.json`` and ``loop.schema.json`` beside this file; what a schema
cannot say (duplicate keys, the calendar, the future) is checked here as well.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from wiltonos_otel.phi import FUTURE_TOLERANCE_MS
from wiltonos_otel.sources.reasons import Bad, Reason
from wiltonos_otel.sources.timestamps import to_unix_ms

STATE_SCHEMA = "wiltonos.state/1"
LOOP_SCHEMA = "wiltonos.loop/1"
# the largest whole number that every JSON reader takes exactly (RFC 8259 section 6)
MAX_COLLAPSES = 2**53 - 1
_TORN = "the text ends early; write it beside and rename it into place"


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


class _BadError(Exception):
    """Carries a reason up to the parser."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.bad = Bad(reason, detail)


def parse_state(content: bytes, mtime_ms: int, now_ms: int) -> StateSample | Bad:
    """Read the content of ``quantum_state.json``.

    Args:
        content: the bytes of the file.
        mtime_ms: its modification time, the time of the sample where it states none.
        now_ms: Unix time in milliseconds; later than 60 s after it is the future.
    """
    try:
        keys = _read_object(content)
        _check_schema(keys, (STATE_SCHEMA,))
        phi = _phi(keys)
        return StateSample(_time_ms(keys, mtime_ms, now_ms), phi, "timestamp" in keys)
    except _BadError as error:
        return error.bad


def parse_loop(content: bytes, mtime_ms: int, now_ms: int) -> LoopSample | Bad:
    """Read the content of ``loops/<loop>.json``; see ``parse_state``."""
    try:
        keys = _read_object(content)
        _check_schema(keys, (LOOP_SCHEMA, STATE_SCHEMA))
        return LoopSample(
            phi=_phi(keys),
            phi_star=_share(keys, "phi_star") if "phi_star" in keys else None,
            collapses=_collapses(keys),
            time_ms=_time_ms(keys, mtime_ms, now_ms),
            timed="timestamp" in keys,
        )
    except _BadError as error:
        return error.bad


def _read_object(content: bytes) -> Mapping[str, Any]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise _BadError(Reason.TORN, _TORN) from None
        raise _BadError(Reason.NOT_UTF8, f"byte {error.start} is no UTF-8; write UTF-8") from None
    if not text.strip():
        raise _BadError(Reason.EMPTY, "the file is empty; write it beside and rename it into place")
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None
    except (ValueError, RecursionError):
        # a number of thousands of digits, or brackets nested thousands deep
        raise _BadError(Reason.NOT_JSON, "a number or a nesting beyond all limits") from None
    if not isinstance(value, dict):
        raise _BadError(
            Reason.WRONG_TYPE, f"the file must hold an object {{…}}, not {_kind(value)}"
        )
    return value


def _not_json(text: str, error: json.JSONDecodeError) -> _BadError:
    text = text.strip()
    open_ended = not text.endswith("}") or error.msg.startswith("Unterminated")
    if text.startswith("{") and (open_ended or error.pos >= len(text)):
        return _BadError(Reason.TORN, _TORN)
    return _BadError(Reason.NOT_JSON, f"{error.msg} at line {error.lineno} column {error.colno}")


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise _BadError(Reason.DUPLICATE_KEY, f"{_quote(key)} is there twice; write it once")
        keys[key] = value
    return keys


def _check_schema(keys: Mapping[str, Any], known: tuple[str, ...]) -> None:
    schema = keys.get("schema", known[0])
    if schema not in known:
        raise _BadError(
            Reason.UNKNOWN_SCHEMA, f"schema {_quote(schema)} is unknown; write {known[0]!r}"
        )


def _phi(keys: Mapping[str, Any]) -> float:
    parts = [name for name in ("coherence", "chaos") if name in keys]
    if "phi" in keys:
        if parts:
            raise _BadError(Reason.AMBIGUOUS, f"phi and {parts[0]} together; write one of them")
        return _share(keys, "phi")
    if len(parts) < 2:
        raise _BadError(Reason.NO_PHI, "there is no phi; write phi, or coherence and chaos")
    coherence, chaos = (_number(keys, name) for name in parts)
    if coherence < 0 or chaos < 0:
        raise _BadError(Reason.OUT_OF_RANGE, "coherence and chaos must not be negative")
    if coherence == chaos == 0:
        raise _BadError(Reason.OUT_OF_RANGE, "coherence and chaos are both 0; one must be more")
    # exact, also where the sum of two doubles would overflow
    return float(Fraction(coherence) / (Fraction(coherence) + Fraction(chaos)))


def _share(keys: Mapping[str, Any], name: str) -> float:
    value = _number(keys, name)
    if not 0 <= value <= 1:
        raise _BadError(Reason.OUT_OF_RANGE, f"{name} = {value:g} is no share between 0 and 1")
    return value


def _number(keys: Mapping[str, Any], name: str) -> float:
    value = keys[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadError(Reason.WRONG_TYPE, f"{name} must be a number, not {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise _BadError(Reason.NON_FINITE, f"{name} is not finite")
    return number


def _collapses(keys: Mapping[str, Any]) -> int | None:
    if "collapses" not in keys:
        return None
    value = _number(keys, "collapses")
    if not 0 <= value <= MAX_COLLAPSES or not value.is_integer():
        raise _BadError(
            Reason.BAD_COLLAPSES, f"collapses = {value:g} is no running total: 0, 1, 2 …"
        )
    return int(keys["collapses"])


def _time_ms(keys: Mapping[str, Any], mtime_ms: int, now_ms: int) -> int:
    time_ms = mtime_ms
    if "timestamp" in keys:
        stated = keys["timestamp"]
        if isinstance(stated, bool) or not isinstance(stated, int | float | str):
            raise _BadError(
                Reason.WRONG_TYPE, f"timestamp must be a string or a number, not {_kind(stated)}"
            )
        moment = to_unix_ms(stated)
        if moment is None:
            raise _BadError(
                Reason.BAD_TIMESTAMP,
                f"timestamp {_quote(stated)} is neither RFC 3339 with a zone nor Unix seconds",
            )
        time_ms = moment
    ahead_ms = time_ms - now_ms
    if ahead_ms > FUTURE_TOLERANCE_MS:
        raise _BadError(
            Reason.FUTURE,
            f"the time is {ahead_ms / 1000:.0f} s ahead; write Unix seconds, set clocks",
        )
    return time_ms


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _quote(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
