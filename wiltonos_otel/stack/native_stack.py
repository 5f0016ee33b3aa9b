"""Brings a native stack up: our services first, the built programs as soon as they are there."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import native, render
from wiltonos_otel.stack.addresses import Files
from wiltonos_otel.stack.grafana import find_grafana, render_provisioning
from wiltonos_otel.stack.plan import Places, Plan
from wiltonos_otel.stack.ports import require_free
from wiltonos_otel.stack.record import Record, describe
from wiltonos_otel.stack.service import OURS, STACK, our_services, stack_services
from wiltonos_otel.stack.supervise import Process, Supervisor, socket_path
from wiltonos_otel.stack.tokens import ensure_token
from wiltonos_service.errors import UsageError

# ports by who needs them; the rest of the Ports belongs to Grafana and to containers
_NEEDED_BY = {
    **{name: f"the {name}" for name in OURS},
    "otlp_grpc": "the Collector (OTLP/gRPC)",
    "otlp_http": "the Collector (OTLP/HTTP)",
    "collector_metrics": "the Collector (its metrics)",
    "collector_health": "the Collector (health check)",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
}


@contextmanager
def held(places: Places) -> Iterator[None]:
    """Let one command at a time bring this stack up or down.

    Raises:
        WiltonosError: another one is at it, or the directory cannot be written.
    """
    try:
        places.var.mkdir(parents=True, exist_ok=True)
        lock = places.lock.open("w")
    except OSError as error:
        raise WiltonosError(
            f"{places.var}: {error.strerror}; bootstrap keeps its data there"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WiltonosError(
                "another wt metrics command is bringing this stack up or down; wait for it"
            ) from None
        yield


@dataclass(frozen=True)
class NativeStack:
    """The processes of one native stack.

    Attributes:
        plan: what is wanted.
        record: what is or will be written down.
        supervisor: who runs the processes.
    """

    plan: Plan
    record: Record
    supervisor: Supervisor

    @classmethod
    def new(cls, plan: Plan) -> "NativeStack":
        """A stack that does not run yet.

        Raises:
            UsageError: it is to keep traces, and has no place for them.
        """
        _traces(plan)
        socket = socket_path(plan.places)
        record = describe(plan, "native", socket)
        grafana = find_grafana(plan.environ) is not None
        return cls.of(plan, record.model_copy(update={"grafana": grafana}))

    @classmethod
    def of(cls, plan: Plan, record: Record) -> "NativeStack":
        """The stack of a record."""
        return cls(plan, record, supervisor_of(record))

    def with_record(self, **changes: object) -> "NativeStack":
        """The same stack, described otherwise."""
        return replace(self, record=self.record.model_copy(update=changes))

    def require_ports(self) -> None:
        """Check that every port is free.

        Raises:
            PortInUseError: one is taken.
        """
        ports = self.plan.ports.by_name()
        needed = {purpose: ports[name] for name, purpose in _NEEDED_BY.items()}
        if self.record.grafana:
            needed["Grafana"] = ports["grafana"]
        require_free(needed)

    def write_files(self) -> None:
        """Make the secrets and render every configuration file.

        Raises:
            WiltonosError: a file cannot be written, or a secret is open to others.
        """
        plan = self.plan
        token = plan.token_file or self._copy_token()
        ensure_token(token)
        queue = plan.places.data / "collector"
        rendered = render.native(
            plan.settings.policy,
            plan.ports,
            Files(collector_queue=queue, notifier_token=token),
            traces=_traces(plan),
            stale_after_seconds=plan.settings.source.stale_after_seconds,
        )
        if self.record.grafana:
            rendered |= render_provisioning(
                plan.ports.url("prometheus"), plan.ports.url("alertmanager")
            )
        render.write(plan.places.stack, rendered)
        plan.places.prometheus_home.mkdir(parents=True, exist_ok=True)

    def start_ours(self) -> None:
        """Start our own services, unless they run.

        Raises:
            WiltonosError: supervisord does not start.
        """
        if not self.supervisor.answers():
            environ = {**self.plan.environ, **self.plan.service_environment()}
            self.supervisor.start(our_services(self.plan), environ)

    def start_all(self) -> None:
        """Start what is not running yet; needs the built programs.

        Raises:
            WiltonosError: a program is missing.
        """
        self.link_pages()
        programs = native.installed(self.plan.environ)
        if programs is None:
            raise WiltonosError("the programs of the stack are not built; run: wt metrics build")
        grafana = find_grafana(self.plan.environ) if self.record.grafana else None
        others = stack_services(self.plan, programs, grafana)
        self.supervisor.update([*our_services(self.plan), *others])

    def link_pages(self) -> bool:
        """Give Prometheus its web UI, where it is built; works while Prometheus runs."""
        pages = native.prometheus_pages(self.plan.environ)
        link = self.plan.places.prometheus_home / "web"
        if pages is not None and (not link.is_symlink() or link.readlink() != pages):
            link.unlink(missing_ok=True)
            link.symlink_to(pages)
        return pages is not None

    def broken(self) -> str:
        """Which process does not stay up, and its last words; "" when all do."""
        for process in self.supervisor.processes():
            if process.broken:
                return f"{process.name} does not stay up: {last_words(process)}"
        return ""

    def whole(self) -> bool:
        """Whether every service that belongs to the stack runs."""
        running = {p.name for p in self.supervisor.processes() if p.state == "RUNNING"}
        return running >= {*OURS, *STACK}

    def _copy_token(self) -> Path:
        """The token of the configuration as a file, which Alertmanager needs."""
        file = self.plan.places.stack / "notifier_token"
        ensure_token(file)
        file.write_text(f"{self.plan.settings.notifier.bearer_token}\n", "utf-8")
        return file


def _traces(plan: Plan) -> str:
    """Where the Collector sends traces; "" without tracing.

    Raises:
        UsageError: there is no such place.
    """
    endpoint = plan.settings.telemetry.traces_endpoint
    if plan.tracing and not endpoint:
        raise UsageError(
            "a native stack keeps no traces; set traces_endpoint in [telemetry] to where they go "
            "(http://…/v1/traces), or use bootstrap --compose, which brings a Jaeger"
        )
    return endpoint if plan.tracing else ""


def supervisor_of(record: Record) -> Supervisor:
    """The supervisor of a recorded native stack."""
    places = Places(record.base)
    return Supervisor(places, record.socket or socket_path(places), record.stack_id)


def last_words(process: Process) -> str:
    """The last line that a process wrote."""
    try:
        lines = process.log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return "it wrote nothing"
    return lines[-1].strip()[:300] if lines else "it wrote nothing"
