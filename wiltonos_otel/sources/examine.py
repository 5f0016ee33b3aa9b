"""Everything that is wrong with the text of a state file, for the person who writes it. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from wiltonos_otel.sources import keys as key
from wiltonos_otel.sources.keys import LOOP, SIMULATED, BadError, Form, Keys, Pairs
from wiltonos_otel.sources.reasons import Bad

_JUDGES: dict[str, Callable[[Keys, str], float]] = {
    "phi": key.share,
    "coherence": key.part,
    "chaos": key.part,
    "phi_star": key.share,
}


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key that nobody reads: a slip, or one of a newer version.

    Attributes:
        key: as the file has it.
        detail: what it may have been meant to be.
    """

    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a text.

    Attributes:
        mistakes: why it is refused, in the order of the keys; empty exactly when the parser of
            its form takes it.
        ignored: what it states in vain.
    """

    mistakes: tuple[Bad, ...]
    ignored: tuple[Ignored, ...] = ()


def examine(content: bytes, form: Form, mtime_ms: int, now_ms: int) -> Examined:
    """All mistakes of a text; of what is no JSON, the first.

    Args:
        content: the bytes of the file.
        form: which file it is.
        mtime_ms: its modification time, the time of the sample where it states none.
        now_ms: Unix time in milliseconds.
    """
    twice: list[Bad] = []
    try:
        keys = key.read_object(content, partial(_last_of_duplicates, twice))
    except BadError as error:
        return Examined((*twice, error.bad))
    refused = filter(None, map(_refusal, _checks(keys, form, mtime_ms, now_ms)))
    return Examined(tuple(dict.fromkeys([*twice, *refused])), tuple(_ignored(keys, form)))


def _last_of_duplicates(twice: list[Bad], pairs: Pairs) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for name, value in pairs:
        if name in keys:
            twice.append(key.duplicate(name).bad)
        keys[name] = value
    return keys


def _checks(keys: Keys, form: Form, mtime_ms: int, now_ms: int) -> Iterator[Callable[[], object]]:
    yield partial(key.check_schema, keys, form)
    yield partial(key.check_phi_stated, keys)
    for name in form.keys:
        if name in keys and name in _JUDGES:
            yield partial(_JUDGES[name], keys, name)
    yield partial(key.phi, keys)
    if "collapses" in form.keys:
        yield partial(key.collapses, keys)
    yield partial(key.time_ms, keys, mtime_ms, now_ms)


def _refusal(check: Callable[[], object]) -> Bad | None:
    try:
        check()
    except BadError as error:
        return error.bad
    return None


def _ignored(keys: Keys, form: Form) -> Iterator[Ignored]:
    missing = [name for name in form.keys if name not in keys and name != SIMULATED]
    for name in keys:
        if name not in form.keys:
            detail = (
                f"{key.quote(name)} is no key of this file and is ignored; {_hint(name, missing)}"
            )
            yield Ignored(name, detail)


def _hint(name: str, missing: list[str]) -> str:
    if name in LOOP.keys:
        return "it belongs into loops/<loop>.json"
    meant = get_close_matches(name.lower(), missing, n=1)
    return f"did you mean {meant[0]!r}?" if meant else "remove it"
