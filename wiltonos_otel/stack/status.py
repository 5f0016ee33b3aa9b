"""What runs, service by service."""

from wiltonos_otel.stack import compose_stack
from wiltonos_otel.stack.native_stack import supervisor_of
from wiltonos_otel.stack.parts import ServiceStatus, address, ask, expected
from wiltonos_otel.stack.record import Record


def status(record: Record) -> list[ServiceStatus]:
    """Every service of the recorded stack, in the order of its start."""
    if record.mode == "compose":
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
