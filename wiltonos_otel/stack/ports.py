"""The loopback ports of the stack, and who holds one that is taken."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from wiltonos_service.errors import OperatorError
from wiltonos_service.listen import Listen, shift_port

LOOPBACK = "127.0.0.1"
PROC = Path("/proc")
# state of a listening socket in /proc/net/tcp (linux/include/net/tcp_states.h)
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Ports:
    """One port per listener of the stack; the defaults are a contract with the outside.

    Attributes:
        exporter: live page, ``/metrics``, ``/api/v1/phi``.
        longevity: the diary of doses.
        notifier: inbox, Alertmanager's webhook.
        otlp_grpc: the Collector's OTLP/gRPC receiver.
        otlp_http: the Collector's OTLP/HTTP receiver.
        collector_metrics: the Collector's own metrics.
        collector_health: the Collector's health check.
        prometheus: Prometheus, its OTLP receiver and API.
        alertmanager: Alertmanager and its API.
        grafana: Grafana, where there is one.
        jaeger: Jaeger's pages, where traces are kept in containers.
    """

    exporter: int = 9464
    longevity: int = 8765
    notifier: int = 9099
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    collector_metrics: int = 8888
    collector_health: int = 13133
    prometheus: int = 9090
    alertmanager: int = 9093
    grafana: int = 3000
    jaeger: int = 16686

    @classmethod
    def at(cls, offset: int, stated: Mapping[str, str] | None = None) -> "Ports":
        """The default ports moved by ``offset``.

        Args:
            offset: added to every default port.
            stated: addresses (host:port or URL) by field that hold as they are; an address
                of another machine says nothing about our listeners.

        Raises:
            UsageError: a port would leave 1 to 65535.
        """
        moved = {
            field.name: Listen.parse(shift_port(f"{LOOPBACK}:{field.default}", offset)).port
            for field in fields(cls)
        }
        for name, address in (stated or {}).items():
            parts = urlsplit(address if "://" in address else f"//{address}")
            if parts.port and parts.hostname in (LOOPBACK, "localhost", "::1", "0.0.0.0"):  # noqa: S104 - compared, not bound
                moved[name] = parts.port
        return cls(**moved)

    def by_name(self) -> dict[str, int]:
        """Ports by field name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def url(self, name: str) -> str:
        """The loopback URL of a listener, without a path."""
        return f"http://{LOOPBACK}:{self.by_name()[name]}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port.

    Attributes:
        pid: process id, or None when the system does not tell us.
        command: its command line, or "".
    """

    pid: int | None
    command: str

    def __str__(self) -> str:
        if self.pid is None:
            return "another program"
        return f"{self.command or 'a process'} (process {self.pid})"


class PortInUseError(OperatorError):
    """A port that the stack needs is taken; the text names the port and who has it."""

    def __init__(self, port: int, purpose: str, holder: Holder) -> None:
        super().__init__(
            f"port {port}, needed by {purpose}, is in use by {holder}; "
            "stop that program, or move all ports with --port-offset N"
        )
        self.port = port


def is_free(port: int) -> bool:
    """Whether a listener of ours could take the port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as a server does it: remains of closed connections do not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(ports: Mapping[str, int]) -> None:
    """Check that every port is free.

    Args:
        ports: port by purpose, in the order of the check.

    Raises:
        PortInUseError: one is taken.
    """
    for purpose, port in ports.items():
        if not is_free(port):
            raise PortInUseError(port, purpose, holder(port))


def holder(port: int, proc: Path = PROC) -> Holder:
    """Who listens on the port, read from procfs (proc(5)); unknown where there is none."""
    inodes = set(_listening_inodes(port, proc))
    for pid in _pids(proc) if inodes else ():
        if inodes & _socket_inodes(proc / str(pid)):
            return Holder(pid, _command(proc / str(pid)))
    return Holder(None, "")


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _pids(proc: Path) -> Iterator[int]:
    return (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())


def _socket_inodes(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    except OSError:
        # the process ended meanwhile, or belongs to somebody else
        return found
    return found


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    return "".join(char if char.isprintable() else "?" for char in text)[:120]
