"""Runs the processes of a native stack under supervisord, with a socket of its own."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.plan import ENV_STACK, Places
from wiltonos_otel.stack.service import Service

START_SECONDS = 15.0
STOP_SECONDS = 30.0
PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 10.0
# sun_path of struct sockaddr_un, with its final zero (unix(7)); supervisor adds ".<pid>"
_LONGEST_SOCKET = 95
PROC = Path("/proc")

_HEAD = """\
[unix_http_server]
file={socket}
chmod=0600

[supervisord]
logfile={logs}/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile={stack}/supervisord.pid
directory={base}
identifier=wiltonos
nodaemon=true
silent=true
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command={command}
directory={directory}
environment={environment}
priority={priority}
autorestart=true
startsecs=1
startretries=20
stopwaitsecs=10
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True, slots=True)
class Process:
    """How a supervised process is doing.

    Attributes:
        name: the service.
        state: supervisor's word: RUNNING, STARTING, BACKOFF, FATAL, EXITED, STOPPED, …
        pid: process id, or None.
        up_seconds: since when it runs.
        log: its log file.
    """

    name: str
    state: str
    pid: int | None
    up_seconds: int
    log: Path

    @property
    def broken(self) -> bool:
        """Whether it does not stay up."""
        return self.state in ("BACKOFF", "FATAL", "EXITED", "UNKNOWN")


def socket_path(places: Places) -> Path:
    """Where supervisord's socket goes: beside the stack, or in a short place of its own."""
    beside = places.stack / "supervisor.sock"
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET:
        return beside
    digest = hashlib.sha256(os.fsencode(places.base)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"wiltonos-{os.getuid()}-{digest}" / "supervisor.sock"


class Supervisor:
    """A supervisord of our own.

    Args:
        places: the stack's directories.
        socket: its socket.
        stack_id: put into the environment of every process, so that none can be lost.
    """

    def __init__(self, places: Places, socket: Path, stack_id: str) -> None:
        self.places = places
        self.socket = socket
        self.stack_id = stack_id

    def answers(self) -> bool:
        """Whether it runs."""
        return self._call("getState") is not None

    def start(self, services: Iterable[Service], environ: Mapping[str, str]) -> None:
        """Start supervisord with these services.

        Raises:
            WiltonosError: it does not come up; the text holds its own words.
        """
        self._make_directories()
        self._write(services)
        log = self.places.logs / "supervisord.out"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
                cwd=self.places.base,
                env={**environ, ENV_STACK: self.stack_id},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                words = log.read_text("utf-8", "replace").strip().splitlines()
                raise WiltonosError(f"supervisord does not start: {words[-1] if words else log}")
            time.sleep(PAUSE_SECONDS)

    def update(self, services: Iterable[Service]) -> None:
        """Make these the services that run; what is unchanged is left alone."""
        self._write(services)
        reloaded = self._call("reloadConfig")
        added, changed, removed = reloaded[0] if reloaded else ([], [], [])
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def processes(self) -> list[Process]:
        """All services with their states; [] when supervisord does not answer."""
        return [
            Process(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"] or None,
                up_seconds=max(0, info["now"] - info["start"]) if info["pid"] else 0,
                log=Path(info["stdout_logfile"]),
            )
            for info in self._call("getAllProcessInfo") or []
        ]

    def stop(self) -> None:
        """End supervisord and every process of the stack, whatever state they are in.

        Raises:
            WiltonosError: a process outlives even that.
        """
        self._call("shutdown")
        members = self.members()
        if self._supervisord() not in members:
            # nobody else would ask its children
            _signal_all(members, signal.SIGTERM)
        if not self._gone_within(STOP_SECONDS):
            _signal_all(self.members(), signal.SIGKILL)
            if not self._gone_within(STOP_SECONDS):
                raise WiltonosError(f"these processes do not end: {sorted(self.members())}")
        self.socket.unlink(missing_ok=True)

    def members(self) -> set[int]:
        """Processes that carry this stack's mark, ended ones aside (proc_pid_environ(5))."""
        mark = f"{ENV_STACK}={self.stack_id}".encode()
        return {
            int(entry.name)
            for entry in (PROC.iterdir() if PROC.is_dir() else ())
            if entry.name.isdigit() and mark in _environment(entry)
        }

    @property
    def _config(self) -> Path:
        return self.places.stack / "supervisord.conf"

    def _supervisord(self) -> int | None:
        try:
            return int((self.places.stack / "supervisord.pid").read_text("ascii"))
        except (OSError, ValueError):
            return None

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.members() or self.answers():
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _make_directories(self) -> None:
        for directory in (self.places.stack, self.places.logs, self.places.data):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.socket.parent.stat().st_uid != os.getuid():
            raise WiltonosError(f"{self.socket.parent} belongs to somebody else; remove it")
        self.socket.unlink(missing_ok=True)

    def _write(self, services: Iterable[Service]) -> None:
        places = {
            "socket": _escape(self.socket),
            "logs": _escape(self.places.logs),
            "stack": _escape(self.places.stack),
            "base": _escape(self.places.base),
        }
        text = _HEAD.format(**places)
        for priority, service in enumerate(services, start=100):
            text += _PROGRAM.format(
                name=service.name,
                command=" ".join(_quote(word) for word in service.argv),
                directory=_escape(service.directory),
                environment=",".join(f"{k}={_quote(v)}" for k, v in service.env.items()),
                priority=priority,
                logs=places["logs"],
            )
        self._config.write_text(text, "utf-8")

    def _call(self, method: str, *arguments: str) -> Any:
        """What supervisord answers; None when it does not, or refuses."""
        # the host is not used: the transport speaks through the socket
        with xmlrpc.client.ServerProxy("http://supervisor", _Transport(self.socket)) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except (OSError, HTTPException, xmlrpc.client.Error):
                return None


class _Connection(HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    """XML-RPC through a Unix socket, with a bound on every wait."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._connected: _Connection | None = None

    def make_connection(self, host: object) -> HTTPConnection:  # noqa: ARG002 - xmlrpc's signature
        """Reuse or open the connection."""
        self._connected = self._connected or _Connection(self._path)
        return self._connected

    def close(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        # it ended meanwhile, or belongs to somebody else
        return []


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _escape(value: Path | str) -> str:
    # supervisor fills in %(name)s everywhere
    return str(value).replace("%", "%%")


def _quote(word: str) -> str:
    escaped = _escape(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
