"""What a webhook says: alerts and the group they came in. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertStatus(StrEnum):
    """The two states that Alertmanager reports of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a notification.

    Attributes:
        fingerprint: hash of the labels, 16 hex digits; its identity.
        starts_at: aware UTC; not stable across restarts of Prometheus.
        ends_at: aware UTC; None while it fires (Alertmanager sends the year 1).
    """

    fingerprint: str
    status: AlertStatus
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One webhook body, version "4" (Alertmanager) or "1" (Grafana).

    Attributes:
        group_key: identity of the group within the route tree.
        truncated_alerts: how many alerts the sender left out.
        reason: Alertmanager's ``notification_reason``; "" where the sender has none.
        traceparent: W3C trace context of the request; "" without one.
    """

    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    alerts: tuple[Alert, ...]
    external_url: str = ""
    truncated_alerts: int = 0
    reason: str = ""
    traceparent: str = ""
    route_labels: Mapping[str, str] = field(default_factory=dict)
