"""One service, as its series in Prometheus show it: what it should set otherwise."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from wiltonos_otel.instruments.catalogue import (
    COHERENCE_RATIO,
    LOOP_COHERENCE,
    SOFT_STEER_LIMIT,
    SOURCE_LAST_SAMPLE,
)
from wiltonos_otel.stack.doctor import refusals
from wiltonos_otel.stack.doctor.names import Labels, judge_service
from wiltonos_otel.stack.doctor.polling import poll
from wiltonos_otel.stack.doctor.rhythm import FALLS, Rhythm, replaced
from wiltonos_otel.stack.finding import Finding, broken, note, ok
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.probe import get

HOP = "series"
# Policy.fresh_seconds by default: rules look no further back than this
FRESH_SECONDS = 15.0
CLOCK_SECONDS = 2.0
# how far back and ahead of Prometheus' now it is looked; it takes nothing further ahead
AROUND_SECONDS = 600.0
MOST_SERIES = 5000
MOST_INSTANCES = 20
ADVANCE_SECONDS = 5.0
# what is pushed at every export comes first: the others come and go with their source
_TELLING = (SOURCE_LAST_SAMPLE, SOFT_STEER_LIMIT, COHERENCE_RATIO, LOOP_COHERENCE)


@dataclass
class ServiceCheck:
    """Looks at one service.

    Attributes:
        pipe: where its series end up.
        name: its ``service.name``, or the label ``job``.
        seconds: how long to watch for what is refused.
    """

    pipe: Pipe
    name: str
    seconds: float
    _now: float = field(init=False)

    def run(self) -> Iterator[Finding]:
        """Everything that there is to say about it."""
        for finding in self._run():
            yield replace(finding, hop=f"{self.name}: {finding.hop}")

    def _run(self) -> Iterator[Finding]:
        clock = self.pipe.query("vector(time())")
        if not clock:
            mend = self.pipe.log("prometheus")
            yield broken(HOP, "Prometheus answers no query", mend)
            return
        self._now = float(clock[0]["value"][1])
        series = self._series(f"{{{_PREFIX},{self._job()}}}")
        if not series:
            yield from self._absent()
            return
        instances = sorted({labels.get("instance", "") for labels in series})
        yield ok(
            HOP,
            f"{len(series)} series from {_listed(instances)}",
        )
        rhythms = {
            instance: self._rhythm([s for s in series if s.get("instance", "") == instance])
            for instance in instances[:MOST_INSTANCES]
        }
        restarts = replaced(rhythms, self._now - FRESH_SECONDS)
        living = {name: rhythm for name, rhythm in rhythms.items() if name not in restarts}
        yield check_interval(living)
        yield self._times(living)
        yield judge_service(series)
        yield check_overflow(series)
        yield check_instances(living, restarts)
        yield refusals.check(self.pipe, self.name, present=True, seconds=0.0)

    def _absent(self) -> Iterator[Finding]:
        others = [job for job in self._jobs() if job != self.name]
        pushes = bool(self.pipe.query(f"target_info{{{self._job()}}}"))
        if pushes:
            detail = "it pushes, and has no wiltonos_* series among what it pushes"
            mend = "call wiltonos_otel.configure() in it, and set Φ or a loop"
        else:
            near = difflib.get_close_matches(self.name, others, n=1)
            known = f"did you mean {near[0]}?" if near else f"there are: {_listed(others)}"
            detail = f"Prometheus has no wiltonos_* series of it in the last 10 minutes; {known}"
            mend = (
                f"set OTEL_SERVICE_NAME={self.name} and OTEL_EXPORTER_OTLP_ENDPOINT for it, or "
                f"wiltonos_otel.configure(service_name={self.name!r})"
            )
        yield broken(HOP, detail, mend)
        yield refusals.check(self.pipe, self.name, present=False, seconds=self.seconds)

    def _job(self) -> str:
        # service.namespace stands before it, with a slash
        pattern = json.dumps(f"(.+/)?{re.escape(self.name)}", ensure_ascii=False)
        return f"job=~{pattern}"

    def _jobs(self) -> list[str]:
        question = {"match[]": f"{{{_PREFIX}}}", "start": f"{self._now - AROUND_SECONDS:.0f}"}
        url = self.pipe.url("prometheus", f"/api/v1/label/job/values?{urlencode(question)}")
        body = get(url).json()
        return list(body.get("data", [])) if isinstance(body, dict) else []

    def _series(self, selector: str) -> list[Labels]:
        question = {
            "match[]": selector,
            "start": f"{self._now - AROUND_SECONDS:.0f}",
            "end": f"{self._now + AROUND_SECONDS:.0f}",
            "limit": str(MOST_SERIES),
        }
        body = get(self.pipe.url("prometheus", f"/api/v1/series?{urlencode(question)}")).json()
        return list(body.get("data", [])) if isinstance(body, dict) else []

    def _rhythm(self, series: Sequence[Labels]) -> Rhythm:
        chosen = min(series, key=_how_telling)
        matchers = ",".join(
            f"{json.dumps(key, ensure_ascii=False)}={json.dumps(value, ensure_ascii=False)}"
            for key, value in chosen.items()
            if key != "__name__"
        )
        name = json.dumps(chosen["__name__"])
        expression = f"{{__name__={name},{matchers}}}[{2 * AROUND_SECONDS:.0f}s]"
        found = self.pipe.query(expression, at=self._now + AROUND_SECONDS)
        samples = found[0]["values"] if found else []
        self._chosen = chosen
        return Rhythm([at for at, _ in samples], [float(value) for _, value in samples])

    def _times(self, rhythms: Mapping[str, Rhythm]) -> Finding:
        """Whether its clock agrees with Prometheus', and whether it still pushes."""
        worst: list[tuple[float, str, str]] = []
        for instance, rhythm in rhythms.items():
            if not rhythm.times:
                continue
            ahead = rhythm.times[-1] - self._now
            if ahead > CLOCK_SECONDS:
                worst.append((ahead, f"{instance} is {ahead:.0f} s ahead of Prometheus", _CLOCK))
            elif -ahead > max(FRESH_SECONDS, 2 * (rhythm.interval or 0.0)):
                worst.append((-ahead, *self._behind(instance, rhythm, -ahead)))
        if not worst:
            return ok("timestamps", "fresh, and of Prometheus' time")
        seconds, detail, mend = max(worst)
        return (broken if seconds >= FRESH_SECONDS else note)("timestamps", detail, mend)

    def _behind(self, instance: str, rhythm: Rhythm, age: float) -> tuple[str, str]:
        """A clock that is late goes on with its samples; a service that is gone does not."""
        patience = min(ADVANCE_SECONDS, (rhythm.interval or 0.0) + 1.0)
        newest = rhythm.times[-1]
        selector = f"{{{_PREFIX},{self._job()},instance={json.dumps(instance)}}}"

        def advanced() -> bool | None:
            found = self.pipe.query(
                f"max(timestamp({selector}))", at=self._now + AROUND_SECONDS
            ) or self.pipe.query(f"max(timestamp({selector}))")
            return True if found and float(found[0]["value"][1]) > newest else None

        if poll(advanced, patience):
            return f"{instance} is {age:.0f} s behind Prometheus", _CLOCK
        return (
            f"{instance} has pushed nothing for {age:.0f} s",
            "is it running, and does OTEL_EXPORTER_OTLP_ENDPOINT still lead to the Collector?",
        )


_PREFIX = '__name__=~"wiltonos[._].+"'
_KEEP = (
    "keep the id over restarts: OTEL_RESOURCE_ATTRIBUTES=service.instance.id=$(hostname), or "
    "configure(instance_id=...); without it the SDK makes up a new one at each start"
)
_CLOCK = (
    "set the clock of its machine (chrony, systemd-timesyncd): rules read 15 s back, no further"
)


def check_interval(rhythms: Mapping[str, Rhythm]) -> Finding:
    """It pushes often enough for derivatives and alerts."""
    hop = "push interval"
    known = {name: r.interval for name, r in rhythms.items() if r.interval is not None}
    slow = [f"{name} every {gap:.0f} s" for name, gap in known.items() if gap >= FRESH_SECONDS]
    if slow:
        return broken(
            hop,
            f"too rare, gauges come and go: {_listed(slow)}",
            "set OTEL_METRIC_EXPORT_INTERVAL=1000 for it, or configure("
            "export_interval_seconds=1); the SDK's default is 60 s",
        )
    if not known:
        return note(hop, "one sample so far", "run it again once it has pushed twice")
    return ok(hop, f"every {max(known.values()):.1f} s")


def check_overflow(series: Sequence[Labels]) -> Finding:
    """No instrument has more attribute sets than the SDK keeps apart."""
    hop = "attribute overflow"
    names = sorted({s["__name__"] for s in series if s.get("otel_metric_overflow") == "true"})
    if not names:
        return ok(hop, "none")
    return broken(
        hop,
        f"{_listed(names)}: more attribute sets than the SDK keeps apart, the rest is one series",
        "keep ids, times and free text out of attribute values; the SDK's limit is 2000 "
        "(a View with its aggregation's cardinality limit raises it)",
    )


def check_instances(rhythms: Mapping[str, Rhythm], restarts: Mapping[str, str]) -> Finding:
    """Every process has an instance id of its own, and keeps it when it is started again.

    Args:
        rhythms: of the instances that are there, by their names.
        restarts: those that ended, each with the one that began after it.
    """
    hop = "instances"
    mend = "give each process its own service.instance.id: OTEL_RESOURCE_ATTRIBUTES, or configure()"
    if "" in rhythms:
        return broken(hop, "it has no service.instance.id, so replicas write one series", mend)
    shared = [f"{name} ({r.senders()} processes)" for name, r in rhythms.items() if r.senders() > 1]
    if shared:
        return broken(hop, f"several processes push as one: {_listed(shared)}", mend)
    falling = [name for name, r in rhythms.items() if r.falls > FALLS]
    if falling:
        return broken(hop, f"{_listed(falling)} goes back again and again: two processes", mend)
    if restarts:
        pairs = _listed([f"{old} ended, {new} began" for old, new in restarts.items()], most=2)
        return note(hop, f"a restart begins all series and alerts anew: {pairs}", _KEEP)
    return ok(hop, f"{len(rhythms)}, each pushed by one process")


def _how_telling(labels: Labels) -> tuple[int, str]:
    names = [row.series for row in _TELLING]
    name = labels["__name__"]
    return (names.index(name) if name in names else len(names), json.dumps(labels))


def _listed(names: Sequence[Any], most: int = 5) -> str:
    shown = ", ".join(str(name) or '""' for name in names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
