"""The whole examination, in the order in which data passes the hops."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wiltonos_otel.stack.doctor import refusals
from wiltonos_otel.stack.doctor.alarm import AlarmProbe
from wiltonos_otel.stack.doctor.clocks import check_clocks
from wiltonos_otel.stack.doctor.service import ServiceCheck, check_overflow
from wiltonos_otel.stack.doctor.signal import SignalProbe
from wiltonos_otel.stack.finding import Finding, broken, note
from wiltonos_otel.stack.hops import walk
from wiltonos_otel.stack.pipe import Pipe

_OVERFLOW = 'last_over_time({__name__=~"wiltonos[._].+",otel_metric_overflow="true"}[5m])'

# 128 and SIGKILL
_KILLED = "137 is a kill, mostly for want of memory (deploy in docker-compose.yml); "


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an examination should include.

    Attributes:
        service: a ``service.name`` to look at; None looks at none.
        probes: whether marked points and alerts are sent.
        alert: whether an Alertmanager that is not ours gets a marked alert too.
        chat: whether the chats are told, where people see it.
        seconds: how long a probe may take.
    """

    service: str | None = None
    probes: bool = True
    alert: bool = False
    chat: bool = False
    seconds: float = 10.0


def examine(pipe: Pipe, wanted: Wanted) -> Iterator[Finding]:
    """Every hop, as far as addresses are known; what has fallen is named first."""
    yield from _processes(pipe)
    yield from walk(pipe)
    if wanted.probes:
        yield from _signal(pipe, wanted)
        yield from _alarm(pipe, wanted)
    # what nobody answers is not well, and not "none" either
    answers = pipe.has("prometheus") and bool(pipe.query("vector(1)"))
    if answers:
        yield refusals.check_all(pipe)
        yield check_overflow([each["metric"] for each in pipe.query(_OVERFLOW)])
    yield check_clocks(pipe)
    if wanted.service is not None and pipe.has("prometheus"):
        yield from ServiceCheck(pipe, wanted.service, wanted.seconds).run()


def first_broken(findings: Iterable[Finding]) -> Finding | None:
    """The hop that loses data; what follows it may be its consequence."""
    return next((finding for finding in findings if not finding.ok), None)


def _processes(pipe: Pipe) -> Iterator[Finding]:
    if pipe.record is None:
        return
    # supervisor and all that runs a stack; who brings a pipe of their own needs none of it
    from wiltonos_otel.stack.parts import RUNNING, UNKNOWN  # noqa: PLC0415 - see above
    from wiltonos_otel.stack.status import status  # noqa: PLC0415 - see above

    services = status(pipe.record)
    silent = [service.why for service in services if service.state == UNKNOWN]
    if silent:
        yield note(
            "containers",
            f"Docker cannot be asked how they are: {silent[0]}",
            "let this user ask Docker (docker compose ps); what follows was seen without it",
        )
    for service in services:
        if service.state not in (RUNNING, UNKNOWN):
            yield broken(
                f"process {service.name}",
                service.why or service.state.lower(),
                f"{_KILLED if '(137)' in service.why else ''}see why: wt metrics logs "
                f"{service.name}; start it again: wt metrics bootstrap",
            )


def _signal(pipe: Pipe, wanted: Wanted) -> Iterator[Finding]:
    if not pipe.has("otlp_http"):
        return
    probe = SignalProbe(pipe, wanted.seconds)
    sent = probe.send()
    yield sent
    if sent.ok and pipe.has("prometheus"):
        yield from probe.find()


def _alarm(pipe: Pipe, wanted: Wanted) -> Iterator[Finding]:
    if not (pipe.has("alertmanager") and pipe.has("notifier")):
        return
    if pipe.record is None and not (wanted.alert or wanted.chat):
        yield note(
            "Alertmanager → notifier",
            "not tried: an Alertmanager that is not ours may send a marked alert to anybody",
            "add --alert once its routes lead alertname=WiltonosDoctorProbe to the notifier only",
        )
        return
    probe = AlarmProbe(pipe, wanted.seconds)
    found = probe.check()
    yield found
    if wanted.chat and found.ok:
        yield from AlarmProbe(pipe, wanted.seconds).chat()
