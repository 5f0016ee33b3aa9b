"""From a notification to what every channel should show. Pure but for the ids it draws."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from notifier.alerts import Notification
from notifier.identifiers import new_id
from notifier.incident import (
    RINGING,
    Identity,
    Incident,
    IncidentAlert,
    Phase,
    Reason,
    Step,
    identify,
    step,
)
from notifier.incident.severity import worst

# the receiver of incidents that the notifier opens about itself; it goes to every channel
OWN_RECEIVER = "wiltonos-notifier"
# names the channel that an own incident is about, which cannot announce its own death
ABOUT_CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Route:
    """Which incidents a channel gets.

    Attributes:
        channel: its name.
        match: label → values; one alert must have one of the values of each; {} takes all.
    """

    channel: str
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def takes(self, incident: Incident) -> bool:
        """Whether any alert of the incident, resolved or not, belongs here."""
        if incident.receiver == OWN_RECEIVER:
            return incident.labels.get(ABOUT_CHANNEL) != self.channel
        return self._matches(incident.alerts)

    def minds(self, incident: Incident, now: datetime) -> bool:
        """Whether any alert that has just begun to fire belongs here: no other shall ring."""
        if incident.receiver == OWN_RECEIVER:
            return True
        return self._matches(alert for alert in incident.firing if alert.seen_at == now)

    def _matches(self, alerts: Iterable[IncidentAlert]) -> bool:
        return not self.match or any(
            all(alert.labels.get(name, "") in values for name, values in self.match.items())
            for alert in alerts
        )


@dataclass(frozen=True, slots=True)
class Want:
    """What a channel should come to show; a row of the outbox.

    Attributes:
        revision: the revision of the incident.
        ring: whether this revision is worth a message that rings.
        opens: whether the channel gets the incident even if it has not had it before.
        priority: the rank of the worst firing alert; higher goes first, what is over goes last.
    """

    incident_id: str
    channel: str
    revision: int
    ring: bool
    opens: bool
    priority: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A step, and what follows from it for the channels."""

    step: Step
    wants: tuple[Want, ...] = ()


def rings(made: Step) -> bool:
    """Whether a step is worth a message that rings.

    An incident that flaps rings at its first, second, fourth, eighth … return: by then its
    living message says how often.
    """
    reasons = made.reasons & RINGING
    if reasons == {Reason.REOPENED} and made.incident is not None:
        return made.incident.reopened.bit_count() == 1
    return bool(reasons)


@dataclass(frozen=True)
class Planner:
    """Turns notifications into plans by the configured rules."""

    routes: Sequence[Route] = ()
    incident_by: Sequence[str] = ()
    reopen_seconds: float = 600.0
    id_factory: Callable[[], str] = new_id

    def identify(self, notification: Notification) -> Identity:
        """The identity of the incident that the notification reports to."""
        return identify(notification, self._folding(notification))

    def plan(self, incident: Incident | None, notification: Notification, now: datetime) -> Plan:
        """What the notification does to its newest incident, and to the channels.

        An incident that was over before we heard of it opens no message.
        """
        made = step(
            incident,
            notification,
            self._folding(notification),
            now,
            self.reopen_seconds,
            self.id_factory,
        )
        if made.incident is None or not made.changed:
            return Plan(made)
        return Plan(made, tuple(self._wants(made.incident, made, now)))

    def _wants(self, incident: Incident, made: Step, now: datetime) -> Sequence[Want]:
        ring, opens = rings(made), incident.phase is Phase.FIRING
        priority = worst(incident.firing)
        return [
            Want(
                incident_id=incident.id,
                channel=route.channel,
                revision=incident.revision,
                ring=ring and route.minds(incident, now),
                opens=opens,
                priority=priority,
            )
            for route in self.routes
            if route.takes(incident)
        ]

    def _folding(self, notification: Notification) -> Sequence[str]:
        return () if notification.receiver == OWN_RECEIVER else self.incident_by
