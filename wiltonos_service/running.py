"""What the operator's commands should know of a stack that bootstrap started here."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from wiltonos_service.settings import (
    ENV_PORT_OFFSET,
    ENV_PREFIX,
    checkout_directory,
    find_file,
    port_offset,
    read_file,
)

# written by ``wt metrics bootstrap``, removed by ``wt metrics down``
RECORD = Path("var") / "stack.json"


def with_running_stack(
    config: Path | None, offset: int | None, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment, and where it is silent the port offset and the tokens of the stack.

    Commands that talk to a running service read their settings with it, so that they need
    neither ``--port-offset`` nor a token after a bootstrap. Services must not: they are told.
    Whoever names another offset speaks of another stack, whose tokens the record does not know.

    Args:
        config: the file that ``--config`` names.
        offset: the argument of ``--port-offset``.
        environ: the environment; None takes the process's own.

    Raises:
        SettingsError: a configuration file that was named is not there, or cannot be read.
        UsageError: ``WILTONOS_PORT_OFFSET`` is no whole number.
    """
    environ = os.environ if environ is None else environ
    file = find_file(config, environ)
    base = file.parent if file else (checkout_directory() or Path.cwd())
    record = _read(base / RECORD)
    recorded = record.get("port_offset")
    if not isinstance(recorded, int):
        return dict(environ)
    stated = offset is not None or environ.get(ENV_PORT_OFFSET)
    if stated and port_offset(offset, environ) != recorded:
        return dict(environ)
    return {ENV_PORT_OFFSET: str(recorded)} | _tokens(record, file, environ) | dict(environ)


def _tokens(
    record: Mapping[str, object], file: Path | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """The token files of services whose configuration states no token."""
    tokens = record.get("tokens")
    tables = read_file(file) if file else {}
    told = {}
    for section, token in tokens.items() if isinstance(tokens, dict) else ():
        key = f"{ENV_PREFIX}{section.upper()}__BEARER_TOKEN"
        table = tables.get(section)
        if key not in environ and not (isinstance(table, dict) and "bearer_token" in table):
            told[f"{key}_FILE"] = str(token)
    return told


def _read(file: Path) -> dict[str, object]:
    try:
        record = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
