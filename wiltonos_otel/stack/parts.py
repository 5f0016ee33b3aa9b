"""The parts of a stack, however they run: where each can be asked, and how it is doing."""

from collections.abc import Iterable
from dataclasses import dataclass

from wiltonos_otel.stack.probe import get
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.waiting import pipe_of

RUNNING = "RUNNING"
UNKNOWN = "UNKNOWN"
# listener and path by which each service says that it is ready
READY = {
    "exporter": ("exporter", "/-/ready"),
    "longevity": ("longevity", "/-/ready"),
    "notifier": ("notifier", "/-/ready"),
    "collector": ("collector_health", "/"),
    "prometheus": ("prometheus", "/-/ready"),
    "alertmanager": ("alertmanager", "/-/ready"),
    "grafana": ("grafana", "/api/health"),
    "jaeger": ("jaeger", "/"),
}


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service of the stack.

    Attributes:
        name: ours.
        state: RUNNING, UNKNOWN when nobody can be asked, or why it does not run.
        ready: whether it answers that it can do its work; None when it cannot be asked.
        pid: process id, or None (containers have none here).
        up_seconds: since when it runs, or None.
        url: its address on loopback, or None.
        why: what is said of a state that is not RUNNING, or "".
    """

    name: str
    state: str
    ready: bool | None
    pid: int | None
    up_seconds: int | None
    url: str | None
    why: str = ""


def expected(record: Record) -> Iterable[str]:
    """The services that belong to the stack."""
    without = {name for name in ("grafana", "jaeger") if not getattr(record, name)}
    names = [name for name in READY if name not in without]
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
