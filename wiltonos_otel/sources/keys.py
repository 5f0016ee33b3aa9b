"""The keys of a state file, each judged by itself. Pure.

The format is ``state.schema.json`` and ``loop.schema.json`` beside this file; what a schema
cannot say (duplicate keys, the calendar, the future) is checked here as well.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from wiltonos_otel.phi import FUTURE_TOLERANCE_MS
from wiltonos_otel.sources.reasons import Bad, Reason
from wiltonos_otel.sources.timestamps import to_unix_ms

STATE_SCHEMA = "wiltonos.state/1"
LOOP_SCHEMA = "wiltonos.loop/1"
# in files that the simulator wrote, so that it never overwrites a real signal
SIMULATED = "simulated"
# the largest whole number that every JSON reader takes exactly (RFC 8259 section 6)
MAX_COLLAPSES = 2**53 - 1
_PARTS = ("coherence", "chaos")
_TORN = "the text ends early; write it beside and rename it into place"

Keys = Mapping[str, Any]
Pairs = Iterable[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """One of the two forms of a state file.

    Attributes:
        schemas: the versions that are read, the one to write first.
        keys: the keys that have a meaning.
    """

    schemas: tuple[str, ...]
    keys: tuple[str, ...]


STATE = Form((STATE_SCHEMA,), ("schema", "timestamp", "phi", *_PARTS, SIMULATED))
LOOP = Form((LOOP_SCHEMA, STATE_SCHEMA), (*STATE.keys, "phi_star", "collapses"))


class BadError(Exception):
    """Carries up why a text is refused.

    Args:
        reason: from the closed list.
        detail: what is wrong, and what to write instead.
        key: where in the text; "" for all of it.
    """

    def __init__(self, reason: Reason, detail: str, key: str = "") -> None:
        super().__init__(detail)
        self.bad = Bad(reason, detail, key)


def without_duplicates(pairs: Pairs) -> dict[str, Any]:
    """An object of JSON in which no key is there twice.

    Raises:
        BadError: one is.
    """
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise duplicate(key)
        keys[key] = value
    return keys


def duplicate(key: str) -> BadError:
    """What to raise for a key that an object has twice."""
    return BadError(Reason.DUPLICATE_KEY, f"{quote(key)} is there twice; write it once", key)


def read_object(
    content: bytes, make: Callable[[Pairs], dict[str, Any]] = without_duplicates
) -> Keys:
    """The keys that a text states.

    Args:
        content: the bytes of the file.
        make: makes each object of its pairs.

    Raises:
        BadError: it is no JSON object in UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise BadError(Reason.TORN, _TORN) from None
        line = error.object.count(b"\n", 0, error.start) + 1
        detail = f"byte {error.start} (line {line}) is no UTF-8; write UTF-8"
        raise BadError(Reason.NOT_UTF8, detail) from None
    if not text.strip():
        raise BadError(Reason.EMPTY, "the file is empty; write it beside and rename it into place")
    try:
        value = json.loads(text, object_pairs_hook=make)
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None
    except (ValueError, RecursionError):
        # a number of thousands of digits, or brackets nested thousands deep
        raise BadError(
            Reason.NOT_JSON, "a number or a nesting beyond all limits; shorten it"
        ) from None
    if not isinstance(value, dict):
        raise BadError(Reason.WRONG_TYPE, f"the file must hold an object {{…}}, not {_kind(value)}")
    return value


def _not_json(text: str, error: json.JSONDecodeError) -> BadError:
    text = text.strip()
    open_ended = not text.endswith("}") or error.msg.startswith("Unterminated")
    place = f"line {error.lineno} column {error.colno}"
    if text.startswith("{") and (open_ended or error.pos >= len(text)):
        return BadError(Reason.TORN, f"{_TORN} ({error.msg}: {place})")
    return BadError(Reason.NOT_JSON, f"{error.msg} at {place}; write JSON (RFC 8259)")


def check_schema(keys: Keys, form: Form) -> None:
    """Refuse a version that is not read."""
    schema = keys.get("schema", form.schemas[0])
    if schema not in form.schemas:
        raise BadError(
            Reason.UNKNOWN_SCHEMA,
            f"schema {quote(schema)} is unknown; write {form.schemas[0]!r}",
            "schema",
        )


def check_phi_stated(keys: Keys) -> None:
    """Refuse a text that states Φ twice, or not at all."""
    parts = _parts(keys)
    if "phi" in keys and parts:
        detail = f"phi and {parts[0]} together; write one of them"
        raise BadError(Reason.AMBIGUOUS, detail, "phi")
    if "phi" not in keys and len(parts) < 2:
        raise BadError(Reason.NO_PHI, "there is no phi; write phi, or coherence and chaos", "phi")


def phi(keys: Keys) -> float:
    """Φ, stated or made of its two parts; a share in [0, 1]."""
    check_phi_stated(keys)
    if "phi" in keys:
        return share(keys, "phi")
    coherence, chaos = (part(keys, name) for name in _PARTS)
    if coherence == chaos == 0:
        detail = "coherence and chaos are both 0; one must be more"
        raise BadError(Reason.OUT_OF_RANGE, detail, "coherence")
    # exact, also where the sum of two doubles would overflow
    return float(Fraction(coherence) / (Fraction(coherence) + Fraction(chaos)))


def share(keys: Keys, name: str) -> float:
    """A number in [0, 1]."""
    value = _number(keys, name)
    if not 0 <= value <= 1:
        detail = f"{name} = {value:g} is no share between 0 and 1; write a fraction like 0.75"
        raise BadError(Reason.OUT_OF_RANGE, detail, name)
    return value


def part(keys: Keys, name: str) -> float:
    """A number of at least 0."""
    value = _number(keys, name)
    if value < 0:
        raise BadError(
            Reason.OUT_OF_RANGE, f"{name} = {value:g} is negative; write 0 or more", name
        )
    return value


def collapses(keys: Keys) -> int | None:
    """The running total, or None where there is none."""
    if "collapses" not in keys:
        return None
    value = _number(keys, "collapses")
    if not 0 <= value <= MAX_COLLAPSES or not value.is_integer():
        detail = f"collapses = {value:g} is no running total: 0, 1, 2 …"
        raise BadError(Reason.BAD_COLLAPSES, detail, "collapses")
    return int(keys["collapses"])


def time_ms(keys: Keys, mtime_ms: int, now_ms: int) -> int:
    """The time of the sample: what the text states, else the modification time of the file."""
    moment = _stated_ms(keys["timestamp"]) if "timestamp" in keys else mtime_ms
    ahead_ms = moment - now_ms
    if ahead_ms > FUTURE_TOLERANCE_MS:
        raise BadError(
            Reason.FUTURE,
            f"the time is {ahead_ms / 1000:.0f} s ahead; write Unix seconds, set clocks",
            "timestamp",
        )
    return moment


def _stated_ms(stated: Any) -> int:
    if isinstance(stated, bool) or not isinstance(stated, int | float | str):
        detail = f"timestamp must be a string or a number, not {_kind(stated)}"
        raise BadError(Reason.WRONG_TYPE, detail, "timestamp")
    moment = to_unix_ms(stated)
    if moment is None:
        raise BadError(
            Reason.BAD_TIMESTAMP,
            f"timestamp {quote(stated)} is neither RFC 3339 with a zone nor Unix seconds; "
            "write one of them",
            "timestamp",
        )
    return moment


def _parts(keys: Keys) -> list[str]:
    return [name for name in _PARTS if name in keys]


def _number(keys: Keys, name: str) -> float:
    value = keys[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadError(Reason.WRONG_TYPE, f"{name} must be a number, not {_kind(value)}", name)
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise BadError(Reason.NON_FINITE, f"{name} is not finite; write a number", name)
    return number


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def quote(value: Any) -> str:
    """A value from outside, printable and short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
