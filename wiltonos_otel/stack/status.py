"""What runs, service by service."""

from collections.abc import Iterable
from dataclasses import dataclass

from wiltonos_otel.stack.native_stack import supervisor_of
from wiltonos_otel.stack.probe import get
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.waiting import pipe_of

# listener and path by which each service says that it is ready
READY = {
    "exporter": ("exporter", "/-/ready"),
    "longevity": ("longevity", "/-/ready"),
    "notifier": ("notifier", "/-/ready"),
    "collector": ("collector_health", "/"),
    "prometheus": ("prometheus", "/-/ready"),
    "alertmanager": ("alertmanager", "/-/ready"),
    "grafana": ("grafana", "/api/health"),
}


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service of the stack.

    Attributes:
        name: ours.
        state: RUNNING, or why it is not.
        ready: whether it answers that it can do its work; None when it cannot be asked.
        pid: process id, or None (containers have none here).
        up_seconds: since when it runs, or None.
        url: its address on loopback, or None.
    """

    name: str
    state: str
    ready: bool | None
    pid: int | None
    up_seconds: int | None
    url: str | None


def status(record: Record) -> list[ServiceStatus]:
    """Every service of the recorded stack, in the order of its start."""
    if record.mode == "compose":
        from wiltonos_otel.stack import compose_stack  # noqa: PLC0415 - it knows this module

        return compose_stack.status(record)
    processes = supervisor_of(record).processes()
    known = {process.name: process for process in processes}
    names = [*known, *(name for name in expected(record) if name not in known)]
    order = list(expected(record))
    return [
        ServiceStatus(
            name,
            known[name].state if name in known else "DOWN",
            ask(record, name),
            known[name].pid if name in known else None,
            known[name].up_seconds if name in known else None,
            address(record, name),
        )
        for name in sorted(names, key=lambda name: order.index(name) if name in order else 99)
    ]


def expected(record: Record) -> Iterable[str]:
    """The services that belong to the stack."""
    names = [name for name in READY if name != "grafana" or record.grafana]
    return [*names, "simulator"] if record.demo else names


def ask(record: Record, name: str) -> bool | None:
    """Whether the service says that it is ready; None when it has no port."""
    if name not in READY:
        return None
    listener, path = READY[name]
    return get(pipe_of(record).url(listener, path)).ok


def address(record: Record, name: str) -> str | None:
    """The URL of a service, or None when it has none."""
    if name not in READY:
        return None
    return pipe_of(record).url("otlp_http" if name == "collector" else name, "/")
