"""What the operator's commands should know of a stack that bootstrap started here."""

import json
from collections.abc import Mapping
from pathlib import Path

from wiltonos_service.settings import (
    ENV_PORT_OFFSET,
    ENV_PREFIX,
    checkout_directory,
    find_file,
)

# written by ``wt metrics bootstrap``, removed by ``wt metrics down``
RECORD = Path("var") / "stack.json"


def with_running_stack(config: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and where it is silent the port offset and the tokens of the stack.

    Commands that talk to a running service read their settings with it, so that they need
    neither ``--port-offset`` nor a token after a bootstrap. Services must not: they are told.

    Args:
        config: the file that ``--config`` names.
        environ: the environment of the process.

    Raises:
        SettingsError: a configuration file that was named is not there.
    """
    file = find_file(config, environ)
    base = file.parent if file else (checkout_directory() or Path.cwd())
    record = _read(base / RECORD)
    told: dict[str, str] = {}
    if isinstance(offset := record.get("port_offset"), int):
        told[ENV_PORT_OFFSET] = str(offset)
    tokens = record.get("tokens")
    for section, token in tokens.items() if isinstance(tokens, dict) else ():
        key = f"{ENV_PREFIX}{section.upper()}__BEARER_TOKEN"
        if key not in environ:
            told[f"{key}_FILE"] = str(token)
    return told | dict(environ)


def _read(file: Path) -> dict[str, object]:
    try:
        record = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
