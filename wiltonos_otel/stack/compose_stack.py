"""Brings the stack up in containers."""

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.plan import Plan
from wiltonos_otel.stack.record import Record


def is_up(record: Record) -> bool:
    """Whether its containers run."""
    del record
    return False


def up(plan: Plan, running: Record | None, speaker: Speaker) -> Record:
    """Bring it up."""
    del plan, running, speaker
    raise WiltonosError("not yet")
