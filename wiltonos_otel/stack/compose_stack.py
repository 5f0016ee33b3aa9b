"""Brings the stack up in containers."""

from collections.abc import Mapping

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.plan import Plan
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.status import ServiceStatus


def is_up(record: Record) -> bool:
    """Whether its containers run."""
    del record
    return False


def up(plan: Plan, running: Record | None, speaker: Speaker) -> Record:
    """Bring it up."""
    del plan, running, speaker
    raise WiltonosError("not yet")


def status(record: Record) -> list[ServiceStatus]:
    """Status."""
    del record
    return []


def down(record: Record, environ: Mapping[str, str]) -> None:
    """Down."""
    del record, environ


def logs(record: Record, service: str | None, *, follow: bool) -> None:
    """Logs."""
    del record, service, follow


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Whether a Docker engine with Compose answers."""
    del environ
    return False
