"""Bounded waits for the parts of the stack, each ending in a broken hop by name."""

import time
from collections.abc import Callable
from functools import partial

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import hops
from wiltonos_otel.stack.finding import Finding, Verdict
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.plan import has_state
from wiltonos_otel.stack.probe import get
from wiltonos_otel.stack.record import Record

# Bounds in seconds. Who does not stay up is noticed at once, so that they can be generous:
# a busy machine needs half a minute to start Python, and Prometheus one to read back hours.
OURS_SECONDS = 90.0
PART_SECONDS = 120.0
PHI_SECONDS = 60.0


class BrokenHopError(WiltonosError):
    """A hop of the pipe did not come up in time."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(
            f"{finding.hop}: {finding.detail}; {finding.mend} "
            "(what runs is left up: wt metrics doctor, wt metrics down)"
        )


def pipe_of(record: Record) -> Pipe:
    """The pipe of a stack, by the system's clock."""
    return Pipe.of(record, time.time)  # noqa: TID251 - the composition root chooses the clock


def check_part(name: str, path: str, pipe: Pipe) -> Finding:
    """Whether a part answers on its port.

    Args:
        name: the listener, a field of ``Ports``.
        path: what to ask.
        pipe: the stack.
    """
    url = pipe.url(name, path)
    answer = get(url)
    if answer.ok:
        return Finding(name, Verdict.OK, "up")
    said = answer.text.strip()[:160] if answer.status == 0 else f"HTTP {answer.status}"
    service = name.partition("_")[0]
    return Finding(name, Verdict.BROKEN, f"{url}: {said}", f"see: wt metrics logs {service}")


def wait_for_part(
    name: str, path: str, pipe: Pipe, seconds: float, broken: Callable[[], str]
) -> None:
    """Wait until a part answers.

    Args:
        name: the listener, a field of ``Ports``.
        path: what to ask.
        pipe: the stack.
        seconds: how long at most.
        broken: why waiting has no point any more, or "".

    Raises:
        BrokenHopError: it does not answer in time, or does not stay up.
    """
    finding = hops.wait_for(partial(check_part, name, path), pipe, seconds, broken)
    if not finding.ok:
        raise BrokenHopError(finding)


def wait_for_samples(pipe: Pipe, broken: Callable[[], str]) -> None:
    """Wait until Φ can be queried, or without state files until the limits can.

    Raises:
        BrokenHopError: it takes too long; names the first broken hop on the way.
    """
    record = pipe.record
    there = record is not None and (record.demo or has_state(record.state_dir))
    check = hops.check_phi if there else hops.check_limits
    finding = hops.wait_for(check, pipe, PHI_SECONDS, broken)
    if not finding.ok:
        raise BrokenHopError(next((f for f in hops.walk(pipe) if not f.ok), finding))
