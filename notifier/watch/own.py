"""Incidents that the notifier opens about itself, as notifications like any other. Pure."""

from datetime import datetime
from enum import StrEnum

import orjson

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.incident import Identity
from notifier.incident.planner import ABOUT_CHANNEL, OWN_RECEIVER
from notifier.render.own import own_annotations


class OwnAlert(StrEnum):
    """What the notifier raises by itself; becomes the ``alertname``."""

    ALERTING_DOWN = "WiltonosAlertingDown"
    CHANNEL_DEAD = "WiltonosChannelDead"
    NOTIFICATION_REFUSED = "WiltonosNotificationRefused"


_SEVERITY = {
    OwnAlert.ALERTING_DOWN: "critical",
    OwnAlert.CHANNEL_DEAD: "critical",
    OwnAlert.NOTIFICATION_REFUSED: "warning",
}


def own_notification(
    name: OwnAlert,
    status: AlertStatus,
    now: datetime,
    language: str = "en",
    **values: str,
) -> Notification:
    """A notification about the notifier itself.

    Args:
        name: what is the matter.
        status: whether it begins or ends.
        now: aware UTC.
        language: of the words where nobody chooses another one, as a channel does.
        values: for the words; ``channel`` also tells apart what is about different channels.
    """
    about = values.get(ABOUT_CHANNEL, "")
    identity = own_identity(name, about)
    alert = Alert(
        fingerprint=f"own:{name.value}:{about}",
        status=status,
        labels=identity.labels,
        annotations=own_annotations(name.value, status, language, values),
        starts_at=now,
        ends_at=now if status is AlertStatus.RESOLVED else None,
    )
    return Notification(
        receiver=OWN_RECEIVER,
        group_key=identity.key,
        group_labels=identity.labels,
        alerts=(alert,),
    )


def own_identity(name: OwnAlert, about: str = "") -> Identity:
    """What the incident is found by; ``about`` is the channel, where it is about one."""
    labels = {"alertname": name.value, "severity": _SEVERITY[name], "service": OWN_RECEIVER}
    if about:
        labels[ABOUT_CHANNEL] = about
    return Identity(OWN_RECEIVER, f"{name.value}:{about}", labels)


def own_body(notification: Notification) -> bytes:
    """What the history keeps of it."""
    return orjson.dumps(notification)
