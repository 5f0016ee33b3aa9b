"""An incident: what the people in the chats see as one thing. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from notifier.alerts import AlertStatus

# of the webhooks and of the attempts that a message is traced back to
KEPT_TRACES = 8


class Phase(StrEnum):
    """An incident fires while any of its fingerprints does."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class IncidentAlert:
    """The newest known state of one fingerprint.

    Attributes:
        group_key: the Alertmanager group that reported it last.
        ends_at: None while it fires.
        seen_at: when this state was first reported to us; None where nobody noted it.
    """

    fingerprint: str
    status: AlertStatus
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    group_key: str
    generator_url: str = ""
    seen_at: datetime | None = None

    @property
    def name(self) -> str:
        """The ``alertname`` label, or ""."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """The ``severity`` label, lower case, or ""."""
        return self.labels.get("severity", "").lower()


class QuietKind(StrEnum):
    """Why Alertmanager tells nothing of an incident."""

    SILENCED = "silenced"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Quiet:
    """A silence holds every firing alert of an incident back.

    Attributes:
        kind: an acknowledgement is a short silence that is renewed while the incident fires.
        by: who asked for it, as given.
        until: when it ends; an acknowledgement may end later.
        silence_id: Alertmanager's.
        ours: whether it was made for this incident alone, so that it may be undone here.
        since: when we learnt of it.
        resolved_unseen: the incident resolved meanwhile; Alertmanager did not tell, its API did.
    """

    kind: QuietKind
    by: str
    until: datetime
    comment: str
    silence_id: str
    ours: bool
    since: datetime
    resolved_unseen: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """Which trace a revision belongs to.

    Attributes:
        revision: what the webhook made of the incident.
        traceparent: the context of the webhook (W3C Trace Context).
    """

    revision: int
    traceparent: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One Alertmanager group, or the groups that agree on the ``incident_by`` labels.

    Attributes:
        id: ours, stable, URL-safe.
        receiver: the Alertmanager receiver.
        key: what identifies it among the open ones: the group key or the folding labels.
        group_keys: every group that has reported to it, in order of arrival.
        labels: the labels that identify it to a reader (folding labels or group labels).
        phase: firing or resolved.
        revision: grows by one with every change that a reader would see.
        opened_at: when it opened; a re-opened one keeps it.
        resolved_at: None while it fires.
        alerts: the newest state of every fingerprint, resolved ones included.
        truncated_alerts: how many alerts the sender left out of its last body.
        external_url: where the sender's own page is.
        reopened: how often it fired again after it was resolved (flapping).
        traces: of the last revisions whose webhooks were traced, the oldest first.
        quiet: the silence that holds it back; None without one.
        earlier: ends that the incident before it saw, by which a delayed "firing" of then is
            told from news; not shown.
    """

    id: str
    receiver: str
    key: str
    group_keys: tuple[str, ...]
    labels: Mapping[str, str]
    phase: Phase
    revision: int
    opened_at: datetime
    resolved_at: datetime | None
    alerts: tuple[IncidentAlert, ...]
    truncated_alerts: int = 0
    external_url: str = ""
    reopened: int = 0
    traces: tuple[Trace, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    quiet: Quiet | None = None
    earlier: tuple[IncidentAlert, ...] = ()

    @property
    def firing(self) -> tuple[IncidentAlert, ...]:
        """The alerts that fire now."""
        return tuple(a for a in self.alerts if a.status is AlertStatus.FIRING)
