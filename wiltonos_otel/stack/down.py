"""Ends a stack, and with ``--purge`` removes what it kept."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import compose_stack
from wiltonos_otel.stack.compose_files import OURS, forget_variables
from wiltonos_otel.stack.native_stack import held, supervisor_of
from wiltonos_otel.stack.plan import Places
from wiltonos_otel.stack.ports import holder, is_free
from wiltonos_otel.stack.record import Record, load


def down(places: Places, environ: Mapping[str, str]) -> Record | None:
    """End the stack of this directory; returns its record, or None when there was none.

    Raises:
        WiltonosError: a process or a port of it stays.
    """
    with held(places):
        record = load(places.record)
        if record is None:
            return None
        end_processes(record, environ)
        _require_ports_free(record)
        places.record.unlink(missing_ok=True)
        return record


def end_processes(record: Record, environ: Mapping[str, str]) -> None:
    """End what runs of a recorded stack.

    Raises:
        WiltonosError: a process stays.
    """
    if record.mode == "compose":
        compose_stack.down(record, environ)
    else:
        supervisor_of(record).stop()


def _require_ports_free(record: Record) -> None:
    for name, port in record.ports.items():
        if name == "grafana" and not record.grafana:
            continue
        if not is_free(port):
            raise WiltonosError(f"port {port} ({name}) is still in use by {holder(port)}")


def purgeable(places: Places, record: Record | None) -> list[Path]:
    """What ``--purge`` removes: data of the stack and the secrets that bootstrap made.

    The diary of doses is its owner's and no part of it; state files neither, unless simulated.
    """
    made = [places.secrets / f"{name}_token" for name in OURS]
    tokens = list(record.tokens.values()) if record else made
    found = [
        places.stack,
        places.demo_state,
        *sorted(places.var.glob("notifier.db*")),
        *(path for path in sorted(places.compose.glob("*")) if path.name != "longevity"),
        *(token for token in tokens if token.is_relative_to(places.secrets)),
    ]
    return [path for path in found if path.exists()]


def purge(places: Places, paths: list[Path]) -> None:
    """Remove files and directories, and our lines of ``.env``.

    Raises:
        WiltonosError: one cannot be removed.
    """
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise WiltonosError(f"{path} cannot be removed: {error.strerror}") from None
    forget_variables(places)
