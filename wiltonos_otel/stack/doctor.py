"""Walks the pipe and says which hop is broken."""

from wiltonos_otel.stack.hops import Finding, Verdict, walk
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.status import status
from wiltonos_otel.stack.waiting import pipe_of


def examine(record: Record) -> list[Finding]:
    """Every hop of a recorded stack, in the order in which data passes them.

    A service that does not run is named first: all that follows is its consequence.
    """
    fallen = [service for service in status(record) if service.state != "RUNNING"]
    processes = [
        Finding(
            f"process {service.name}",
            Verdict.BROKEN,
            service.state.lower(),
            f"see why: wt metrics logs {service.name}; start it again: wt metrics bootstrap",
        )
        for service in fallen
    ]
    return [*processes, *walk(pipe_of(record))]
