"""Walks the pipe, sends marked probes through it, and says which hop is broken."""

from wiltonos_otel.stack.doctor.examine import Wanted, examine, first_broken
from wiltonos_otel.stack.doctor.site import Site, pipe_at

__all__ = ["Site", "Wanted", "examine", "first_broken", "pipe_at"]
