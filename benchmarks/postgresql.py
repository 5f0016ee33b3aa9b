"""A PostgreSQL server of its own, on loopback, which ends with its block."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port

DIRECTORIES = (
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/local/bin",
)


def installed() -> bool:
    """Whether the programs of a server are on this machine."""
    return _program("initdb") is not None and _program("pg_ctl") is not None


@contextmanager
def server() -> Iterator[str]:
    """A running server: its URL without the database's name."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    assert initdb is not None
    assert pg_ctl is not None
    # the server's user must be able to enter it
    base = Path(tempfile.mkdtemp(prefix="notifier-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(base, "nobody")
        data, port = str(base / "data"), free_port()
        _as_server(initdb, "-D", data, "-U", "wiltonos", "-A", "trust", "-E", "UTF8", cwd=base)
        options = f"-p {port} -k {base} -c listen_addresses=127.0.0.1 -c shared_buffers=16MB"
        log = str(base / "log")
        _as_server(pg_ctl, "-D", data, "-w", "-l", log, "-o", options, "start", cwd=base)
        try:
            yield f"postgresql://wiltonos@127.0.0.1:{port}"
        finally:
            _as_server(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop", cwd=base)
    finally:
        shutil.rmtree(base)


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(DIRECTORIES))


def _as_server(*command: str, **more: Any) -> None:
    """Run as an unprivileged user: PostgreSQL refuses root."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        more |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    # what the server inherits stays open as long as it runs
    nowhere = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=nowhere, stderr=nowhere, **more)
