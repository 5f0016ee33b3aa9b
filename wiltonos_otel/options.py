"""What ``configure()`` was told, by argument, environment or file; needs nothing but the library.

Precedence: arguments > ``WILTONOS__*`` > ``OTEL_*`` > file > defaults, as for the services, of
which only the keys that a foreign service needs are read: ``[telemetry]`` and ``[coherence]``.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any

from wiltonos_otel.arguments import MAX_LOOPS, STALE_AFTER_SECONDS
from wiltonos_otel.errors import OptionsError
from wiltonos_otel.policy import Policy
from wiltonos_service.telemetry.protocol import default_endpoint

# the exporter of WiltonOS pushes each second; what else a service measures needs no more
DEFAULT_INTERVAL_SECONDS = 5.0
DEFAULT_FILE = "wiltonos.toml"
_PREFIX = "WILTONOS__"

Tree = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """How a service pushes, and the policy that it exports.

    Attributes:
        otlp_endpoint: base URL of an OTLP/HTTP receiver.
        export_interval_seconds: seconds between two pushes.
        policy: the coherence policy.
        stale_after_seconds: age at which a value that was set stops counting.
        max_loops: how many names of loops there may be.
    """

    otlp_endpoint: str
    export_interval_seconds: float
    policy: Policy
    stale_after_seconds: float = STALE_AFTER_SECONDS
    max_loops: int = MAX_LOOPS


def resolve(
    *,
    otlp_endpoint: str | None = None,
    export_interval_seconds: float | None = None,
    policy: Policy | None = None,
    stale_after_seconds: float | None = None,
    max_loops: int | None = None,
    config: str | Path | None = None,
    environ: Mapping[str, str],
) -> Options:
    """The options in force.

    Args:
        otlp_endpoint: the argument, if given.
        export_interval_seconds: the argument, if given.
        policy: the argument, if given.
        stale_after_seconds: the argument, if given.
        max_loops: the argument, if given.
        config: a configuration file; None takes ``WILTONOS_CONFIG``, else ``./wiltonos.toml``.
        environ: the environment.

    Raises:
        OptionsError: an argument, a file or a value is wrong.
        PolicyError: the policy contradicts itself.
    """
    file = _read(config, environ)
    telemetry = file.get("telemetry", {})
    endpoint = (
        otlp_endpoint
        or environ.get(f"{_PREFIX}TELEMETRY__OTLP_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or telemetry.get("otlp_endpoint")
        or default_endpoint(environ)
    )
    interval = _first(
        ("export_interval_seconds", export_interval_seconds, 1.0),
        (
            f"{_PREFIX}TELEMETRY__EXPORT_INTERVAL_SECONDS",
            environ.get(f"{_PREFIX}TELEMETRY__EXPORT_INTERVAL_SECONDS"),
            1.0,
        ),
        ("OTEL_METRIC_EXPORT_INTERVAL", environ.get("OTEL_METRIC_EXPORT_INTERVAL"), 0.001),
        ("[telemetry] export_interval_seconds", telemetry.get("export_interval_seconds"), 1.0),
    )
    stale_after = _first(("stale_after_seconds", stale_after_seconds, 1.0))
    loops = _first(("max_loops", max_loops, 1.0))
    return Options(
        otlp_endpoint=str(endpoint),
        export_interval_seconds=DEFAULT_INTERVAL_SECONDS if interval is None else interval,
        policy=policy or _policy({**file.get("coherence", {}), **_policy_variables(environ)}),
        stale_after_seconds=STALE_AFTER_SECONDS if stale_after is None else stale_after,
        max_loops=MAX_LOOPS if loops is None else ceil(loops),
    )


def _read(config: str | Path | None, environ: Mapping[str, str]) -> Tree:
    named = config or environ.get("WILTONOS_CONFIG")
    file = Path(named or DEFAULT_FILE)
    if not named and not file.is_file():
        return {}
    try:
        tree = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise OptionsError(f"{file}: {error.strerror}; name an existing file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionsError(f"{file}: not TOML: {error}") from None
    for table in ("telemetry", "coherence"):
        if not isinstance(tree.get(table, {}), dict):
            raise OptionsError(f"{file}: {table} is no table; begin it with a line [{table}]")
    return tree


def _first(*candidates: tuple[str, Any, float]) -> float | None:
    """The first value that is stated, in seconds.

    Args:
        candidates: name, value or None, and how many seconds a unit of the value is.
    """
    for name, value, seconds in candidates:
        if value is None or value == "":
            continue
        try:
            number = float(value) * seconds
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < float("inf"):
            raise OptionsError(f"{name} = {value!r} is no positive, finite number; correct it")
        return number
    return None


def _policy_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"{_PREFIX}COHERENCE__"
    return {
        name.removeprefix(prefix).lower(): _value(name, text)
        for name, text in environ.items()
        if name.startswith(prefix)
    }


def _value(name: str, text: str) -> Any:
    """A number or a list of numbers; in both JSON and TOML write them the same way."""
    try:
        return json.loads(text)
    except ValueError:
        raise OptionsError(f"{name} = {text!r} is no number and no list; correct it") from None


def _policy(keys: Mapping[str, Any]) -> Policy:
    known = {field.name for field in fields(Policy)}
    if unknown := sorted(set(keys) - known):
        raise OptionsError(f"[coherence] {unknown[0]}: unknown key; known: {', '.join(known)}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()
    }
    try:
        return Policy(**values)
    except TypeError as error:
        raise OptionsError(f"[coherence]: {error}") from None
