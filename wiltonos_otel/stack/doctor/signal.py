"""A marked point through the Collector into Prometheus: which of the two hops loses it."""

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wiltonos_otel.stack.doctor.names import judge_probe
from wiltonos_otel.stack.doctor.polling import poll
from wiltonos_otel.stack.doctor.site import OTLP_PATH
from wiltonos_otel.stack.finding import Finding, broken, note, ok
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.scraped import Scraped

SERVICE = "wiltonos-doctor"
GAUGE = "wiltonos.doctor.probe"
COUNTER = "wiltonos.doctor.probes"
SERIES = ("wiltonos_doctor_probe", "wiltonos_doctor_probes_total")
ENTER = "SDK → Collector"
LEAVE = "Collector → Prometheus"
# any spelling that a translation may give them
_ANY = '{__name__=~"wiltonos[._]doctor[._]probe.*"}'
# how far Prometheus' clock may be from ours and the point still be found
_AROUND_SECONDS = 600
_SPENT_SECONDS = 5.0
_MILLION = 1_000_000
# mantissa of a double: every mark is a number of its own
_MARKS = 2**40
_CUMULATIVE = 2

_FAILED = "otelcol_exporter_send_failed_metric_points"
_WAITING = "otelcol_exporter_queue_size"


@dataclass
class SignalProbe:
    """One marked point.

    Attributes:
        pipe: where it goes.
        seconds: how long it may take.
        mark: its value, which nothing else has.
        sender: the labels that say who sent it.
    """

    pipe: Pipe
    seconds: float
    mark: float = field(default_factory=lambda: float(secrets.randbelow(_MARKS) + 1))
    sender: Mapping[str, str] = field(
        default_factory=lambda: {"job": SERVICE, "instance": socket.gethostname()}
    )

    def send(self) -> Finding:
        """Push it as any SDK would."""
        self._before = self.pipe.counters("collector_metrics")
        self._sent_at = self.pipe.now()
        answer = self.pipe.tell("otlp_http", OTLP_PATH, self._body())
        url = self.pipe.url("otlp_http", OTLP_PATH)
        if answer.ok:
            return self._taken(answer.json())
        if answer.status == 0:
            return broken(
                ENTER,
                f"{url}: {answer.text}",
                f"is the Collector up, and is this its OTLP/HTTP port (4318, not gRPC's 4317)? "
                f"{self.pipe.log('collector')}",
            )
        if answer.status in (429, 503):
            return broken(
                ENTER,
                f"{url} refuses for now: HTTP {answer.status} {answer.said}",
                "its queue or its memory is full because it cannot send on: look one hop further",
            )
        return broken(
            ENTER,
            f"{url}: HTTP {answer.status} {answer.said}",
            "401 and 403: set OTEL_EXPORTER_OTLP_HEADERS; 404: this is no OTLP/HTTP endpoint, "
            f"{OTLP_PATH} is appended to it",
        )

    def _taken(self, answer: Any) -> Finding:
        partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
        if partial and partial.get("rejectedDataPoints"):
            said = partial.get("errorMessage", "")
            return broken(ENTER, f"it refused the point: {said}", self.pipe.log("collector"))
        seconds = self.pipe.now() - self._sent_at
        return ok(ENTER, f"a marked point was taken in {seconds * 1000:.0f} ms")

    def find(self) -> list[Finding]:
        """Look for it in Prometheus: where it got lost, or how long it took and how it is named."""
        ready = self.pipe.ask("prometheus", "/-/ready")
        if not ready.ok:
            down = self.pipe.down(LEAVE, "prometheus", ready)
            return [broken(LEAVE, f"Prometheus {down.detail}{self._held()}", down.mend)]
        found = poll(self._look, self.seconds)
        if found is None:
            return [self._lost()]
        spent = max(0.0, self.pipe.now() - self._sent_at)
        detail = f"the marked point was there after {spent:.2f} s"
        arrived = (
            ok(LEAVE, detail)
            if spent <= _SPENT_SECONDS
            else note(
                LEAVE, detail, "take `batch` and long timeouts out of the Collector's pipeline"
            )
        )
        return [arrived, judge_probe(found, SERIES, self.sender)]

    def _look(self) -> list[Mapping[str, str]] | None:
        at = self._sent_at + _AROUND_SECONDS
        # the two instruments are written together, and become visible together
        series = self.pipe.query(f"{_ANY}[{2 * _AROUND_SECONDS}s]", at=at)
        mine = [each for each in series if any(float(v) == self.mark for _, v in each["values"])]
        return [each["metric"] for each in mine] if len(mine) >= len(SERIES) else None

    def _lost(self) -> Finding:
        after = self.pipe.counters("collector_metrics")
        failed = self._rose(after, _FAILED)
        if failed:
            return broken(
                LEAVE,
                f"Prometheus refused {failed:.0f} points, and the Collector gave them up",
                f"{self.pipe.log('prometheus')} says why; a 404 in {self.pipe.log('collector')}: "
                "Prometheus runs without --web.enable-otlp-receiver",
            )
        return broken(
            LEAVE,
            f"the marked point was not there within {self.seconds:g} s{self._held(after)}",
            f"see where the Collector sends to, and why it fails: {self.pipe.log('collector')}",
        )

    def _held(self, own: Scraped | None = None) -> str:
        waiting = (own or self.pipe.counters("collector_metrics")).total(_WAITING)
        return f"; {waiting:.0f} points wait in the Collector's queue" if waiting else ""

    def _rose(self, after: Scraped, name: str) -> float:
        return after.total(name) - self._before.total(name)

    def _body(self) -> bytes:
        """OTLP/JSON (opentelemetry-proto, metrics/v1)."""
        now = round(self._sent_at * 1000) * _MILLION
        point = {"timeUnixNano": str(now), "asDouble": self.mark}
        counted = {**point, "startTimeUnixNano": str(now - 1000 * _MILLION)}
        total = {
            "aggregationTemporality": _CUMULATIVE,
            "isMonotonic": True,
            "dataPoints": [counted],
        }
        metrics = [
            {"name": GAUGE, "unit": "{probe}", "gauge": {"dataPoints": [point]}},
            {"name": COUNTER, "unit": "{probe}", "sum": total},
        ]
        attributes = [
            {"key": "service.name", "value": {"stringValue": self.sender["job"]}},
            {"key": "service.instance.id", "value": {"stringValue": self.sender["instance"]}},
        ]
        scopes = [{"scope": {"name": SERVICE}, "metrics": metrics}]
        body = {
            "resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": scopes}]
        }
        return json.dumps(body).encode()
