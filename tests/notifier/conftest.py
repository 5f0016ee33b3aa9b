"""What the notifier's tests share: both databases, and a service under test."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.planner import Planner, Route
from notifier.store import SqlStore, open_store
from notifier.store.tables import metadata

DIRECTORIES = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin",
               "/usr/lib/postgresql/15/bin", "/usr/local/bin")  # fmt: skip


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(DIRECTORIES))


def _as_server(*command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run as an unprivileged user: PostgreSQL refuses root."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        more |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return subprocess.run(command, check=True, capture_output=True, text=True, **more)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real server on a free port, without the database's name."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed on this machine")
    # nobody must be able to enter it, which pytest's own directories forbid
    base = Path(tempfile.mkdtemp(prefix="notifier-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(base, "nobody")
        data, port = str(base / "data"), _free_port()
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


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/notifier.db"
        return
    import asyncpg  # noqa: PLC0415 - an optional extra

    url = f"{request.getfixturevalue('postgresql')}/postgres"
    yield url
    connection = await asyncpg.connect(url)
    tables = ", ".join(metadata.tables)
    await connection.execute(f"TRUNCATE {tables}")
    await connection.close()


@pytest.fixture
async def make_store(database_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Opens stores on the database; they are closed at the end."""
    opened: list[SqlStore] = []

    async def make(planner: Planner | None = None, **more: Any) -> SqlStore:
        planner = planner or Planner(routes=(Route("slack"), Route("discord")))
        opened.append(await open_store(database_url, planner, **more))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
async def store(make_store: Callable[..., Any]) -> SqlStore:
    """A store with two channels that take everything."""
    opened: SqlStore = await make_store()
    return opened
