"""Writes state files as WiltonOS does, and as a careless program would."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.sources.document import says_simulated
from wiltonos_otel.sources.files import LOOPS_DIRECTORY, MAX_BYTES, STATE_FILE, SUFFIX, read_file
from wiltonos_otel.sources.keys import SIMULATED, STATE_SCHEMA
from wiltonos_otel.sources.simulate import Step
from wiltonos_otel.sources.timestamps import format_rfc3339

_HOUR_SECONDS = 3600


class Slip(StrEnum):
    """What a careless program leaves in the place of a state file."""

    TORN = "torn"
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    BACKWARDS = "backwards"
    FUTURE = "future"
    DUPLICATE_KEY = "duplicate_key"
    NOT_UTF8 = "not_utf8"
    OVERSIZED = "oversized"
    UNKNOWN_SCHEMA = "unknown_schema"
    VANISHED = "vanished"
    DIRECTORY = "directory"
    DANGLING_LINK = "dangling_link"


class StateWriter:
    """Writes the files of one state directory, each beside its place and then renamed.

    Args:
        directory: is made where it does not exist.

    Raises:
        WiltonosError: the directory cannot be written to.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            (directory / LOOPS_DIRECTORY).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WiltonosError(
                f"{directory}: {error.strerror}; name a directory that can be written to"
            ) from None

    def write(self, step: Step, time_ms: int) -> None:
        """Write Φ and every loop as of ``time_ms`` (Unix time in milliseconds)."""
        keys = {"schema": STATE_SCHEMA, "timestamp": format_rfc3339(time_ms), "phi": step.phi}
        self._put(self._directory / STATE_FILE, _to_json({**keys, SIMULATED: True}))
        for name, loop in step.loops.items():
            own = {
                "timestamp": format_rfc3339(time_ms),
                "phi": loop.phi,
                "phi_star": loop.phi_star,
                "collapses": loop.collapses,
                SIMULATED: True,
            }
            self._put(self._directory / LOOPS_DIRECTORY / f"{name}{SUFFIX}", _to_json(own))

    def slip(self, slip: Slip, step: Step, time_ms: int) -> None:
        """Leave a bad ``quantum_state.json`` instead of the step's."""
        path = self._directory / STATE_FILE
        if slip in _CONTENTS:
            self._put(path, _CONTENTS[slip](step.phi, time_ms))
            return
        with _writable(path):
            _clear(path)
            if slip is Slip.DIRECTORY:
                path.mkdir()
            elif slip is Slip.DANGLING_LINK:
                path.symlink_to("gone.json")

    def _put(self, path: Path, content: bytes) -> None:
        beside = path.with_name(f".{path.name}.tmp")
        with _writable(path):
            beside.write_bytes(content)
            if path.is_dir():
                _clear(path)
            beside.replace(path)


def slips(seed: int) -> Random:
    """The chance by which a careless program slips, repeatable per seed."""
    return Random(seed ^ 0x51195)


def is_real_signal(directory: Path, now_ms: int, stale_after_ms: int) -> bool:
    """Whether something else than the simulator wrote Φ there lately."""
    found = read_file(directory / STATE_FILE)
    if found is None or not isinstance(found.content, bytes):
        return False
    return says_simulated(found.content) is False and now_ms - found.mtime_ms < stale_after_ms


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WiltonosError(f"{path}: {error.strerror}; make it writable") from None


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _to_json(keys: dict[str, Any]) -> bytes:
    return json.dumps(keys, separators=(",", ":")).encode()


def _state(phi: float, time_ms: int, **more: Any) -> bytes:
    return _to_json({"timestamp": format_rfc3339(time_ms), "phi": phi, SIMULATED: True, **more})


_CONTENTS: dict[Slip, Callable[[float, int], bytes]] = {
    Slip.TORN: lambda phi, ms: _state(phi, ms)[:25],
    Slip.EMPTY: lambda _phi, _ms: b"",
    Slip.NOT_A_NUMBER: lambda _phi, ms: _state(float("nan"), ms),
    Slip.OUT_OF_RANGE: lambda phi, ms: _state(phi * 100, ms),
    Slip.BACKWARDS: lambda phi, ms: _state(phi, ms - _HOUR_SECONDS * 1000),
    Slip.FUTURE: lambda phi, ms: _state(phi, ms + _HOUR_SECONDS * 1000),
    Slip.DUPLICATE_KEY: lambda phi, ms: _state(phi, ms)[:-1] + b',"phi":0.1}',
    Slip.NOT_UTF8: lambda phi, ms: _state(phi, ms)[:-1] + b',"note":"\xff"}',
    Slip.OVERSIZED: lambda phi, ms: _state(phi, ms) + b" " * MAX_BYTES,
    Slip.UNKNOWN_SCHEMA: lambda phi, ms: _state(phi, ms, schema="wiltonos.state/9"),
}
