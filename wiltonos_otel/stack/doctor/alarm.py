"""A marked alert through Alertmanager to the notifier, and on request to the chats."""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from wiltonos_otel.stack.doctor.polling import poll
from wiltonos_otel.stack.finding import Finding, broken, note, ok
from wiltonos_otel.stack.pipe import LOCKED, Pipe
from wiltonos_otel.stack.probe import Answer
from wiltonos_service.probes import PROBE_ALERT, PROBE_LABEL, PROBES_PATH

HOP = "Alertmanager → notifier"
CHAT = "notifier → chats"
CHAT_ALERT = "WiltonosDoctorChat"
JOB = "wiltonos-doctor"
# it ends by itself when the doctor is killed
LIFE = timedelta(minutes=2)
# Alertmanager tells of the end after its group_interval, 10 s
END_SECONDS = 20.0
_FAILED = "alertmanager_notifications_failed_total"
# 4xx, which Alertmanager does not try again (its notify/util.go)
_FINAL = ("authError", "clientError")


@dataclass
class AlarmProbe:
    """One marked alert.

    Attributes:
        pipe: where it goes.
        seconds: how long it may take.
        mark: what tells it from all others; its instance too, so that its group is new and
            Alertmanager tells of it at once.
    """

    pipe: Pipe
    seconds: float
    mark: str = field(default_factory=lambda: secrets.token_hex(6))

    def check(self) -> Finding:
        """Whether it reaches the notifier, which tells nobody of it."""
        labels = {"alertname": PROBE_ALERT, "severity": "none", PROBE_LABEL: self.mark}
        before = self._failures()
        if refused := self._begin(labels, "A marked alert of wt metrics doctor"):
            return refused
        began = self.pipe.now()
        try:
            outcome = poll(lambda: self._look(before), self.seconds)
        finally:
            self._end(labels)
        if outcome is None:
            return broken(
                HOP,
                f"the marked alert was not there within {self.seconds:g} s",
                f"see its route and group_wait: {self.pipe.log('alertmanager')}",
            )
        spent = self.pipe.now() - began
        return (
            outcome
            if isinstance(outcome, Finding)
            else ok(HOP, f"a marked alert was committed after {spent:.2f} s and told to nobody")
        )

    def chat(self) -> Iterator[Finding]:
        """Let every chat show an alert and its end; people will see it."""
        labels = {"alertname": CHAT_ALERT, "severity": "info"}
        if refused := self._begin(labels, "A test by wt metrics doctor: nothing is wrong"):
            yield refused
            return
        try:
            poll(lambda: self._settled("firing") or None, self.seconds)
            told = list(self._told("firing"))
        finally:
            self._end(labels)
        yield from told
        if all(finding.ok for finding in told):
            poll(lambda: self._settled("resolved") or None, END_SECONDS)
            yield from self._told("resolved")

    def _begin(self, labels: Mapping[str, str], summary: str) -> Finding | None:
        now = datetime.fromtimestamp(self.pipe.now(), UTC)
        answer = self._post(labels, now, now + LIFE, summary)
        if answer.ok:
            return None
        return broken(
            HOP, f"Alertmanager takes no alert: {answer.said}", self.pipe.log("alertmanager")
        )

    def _end(self, labels: Mapping[str, str]) -> None:
        now = datetime.fromtimestamp(self.pipe.now(), UTC)
        self._post(labels, now - LIFE, now, "Over")

    def _post(
        self, labels: Mapping[str, str], start: datetime, end: datetime, summary: str
    ) -> Answer:
        alert = {
            "labels": {**labels, "job": JOB, "instance": self.mark},
            "annotations": {"summary": summary},
            "startsAt": start.isoformat(),
            "endsAt": end.isoformat(),
        }
        return self.pipe.tell("alertmanager", "/api/v2/alerts", json.dumps([alert]).encode())

    def _failures(self) -> float:
        own = self.pipe.counters("alertmanager")
        return sum(own.total(_FAILED, reason=reason) for reason in _FINAL)

    def _look(self, before: float) -> Finding | bool | None:
        """True when it is there, a finding when there is no point in waiting, else None."""
        answer = self.pipe.ask("notifier", PROBES_PATH)
        if answer.status == 0 or answer.status >= 500:
            return self.pipe.down(HOP, "notifier", answer)
        if answer.status in LOCKED:
            return self.pipe.locked(HOP, "notifier", answer)
        if answer.status == 404:
            return note(HOP, "that notifier lists no probes", "let it be of the doctor's version")
        probes = (answer.json() or {}).get("probes", [])
        if any(probe["mark"] == self.mark for probe in probes):
            return True
        if self._failures() > before:
            return broken(
                HOP,
                "the notifier refused what Alertmanager sent (HTTP 4xx)",
                f"{self.pipe.log('alertmanager')} says why; 401 means that the tokens differ: let "
                "credentials_file there and bearer_token_file in [notifier] be the same file",
            )
        return None

    def _incident(self) -> Mapping[str, Any] | None:
        body = self.pipe.ask("notifier", "/api/v1/incidents?limit=50").json()
        found: list[Mapping[str, Any]] = body.get("incidents", []) if isinstance(body, dict) else []
        mine = (i for i in found if any(_of(alert, self.mark) for alert in i["alerts"]))
        return next(mine, None)

    def _settled(self, phase: str) -> bool:
        """Whether the incident is in this phase and nothing is under way any more."""
        incident = self._incident()
        return (
            incident is not None
            and incident["phase"] == phase
            and all(row["state"] != "pending" for row in incident["deliveries"])
        )

    def _told(self, phase: str) -> Iterator[Finding]:
        incident = self._incident()
        if incident is None or incident["phase"] != phase:
            yield broken(CHAT, f"no incident is {phase}", self.pipe.log("notifier"))
            return
        if not incident["deliveries"]:
            yield note(CHAT, "no channel takes it", "add [[notifier.channels]], or look at match")
        for row in incident["deliveries"]:
            hop = f"notifier → {row['channel']}"
            if row["state"] == "delivered":
                yield ok(hop, f"shows it {phase}")
            else:
                why = row["last_error"] or "no answer yet"
                mend = "wt notifier test tries each channel; wt notifier dead-letters list"
                yield broken(hop, f"{phase} is {row['state']}: {why}", mend)


def _of(alert: Mapping[str, Any], mark: str) -> bool:
    return bool(alert["labels"].get("instance") == mark)
