"""Incidents that the notifier opens about itself, as notifications like any other. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import orjson

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.incident import Identity
from notifier.incident.planner import ABOUT_CHANNEL, OWN_RECEIVER


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
_WORDS: Mapping[str, Mapping[OwnAlert, tuple[str, str]]] = {
    "en": {
        OwnAlert.ALERTING_DOWN: (
            "Alerting is down",
            (
                "The Watchdog has been silent for {seconds} s: Prometheus, Alertmanager or the way "
                "from them to the notifier is broken, and no alert would arrive."
            ),
        ),
        OwnAlert.CHANNEL_DEAD: (
            "Channel {channel} cannot be reached",
            "{reason}. Its messages are kept as dead letters and follow when it is back.",
        ),
        OwnAlert.NOTIFICATION_REFUSED: (
            "A notification was refused",
            "{reason}. The sender will not try again; what it said is kept as a dead letter.",
        ),
    },
    "pt-BR": {
        OwnAlert.ALERTING_DOWN: (
            "O sistema de alertas está parado",
            (
                "O Watchdog está em silêncio há {seconds} s: o Prometheus, o Alertmanager ou o "
                "caminho até o notificador está quebrado, e nenhum alerta chegaria."
            ),
        ),
        OwnAlert.CHANNEL_DEAD: (
            "O canal {channel} está inacessível",
            "{reason}. As mensagens ficam guardadas e seguem quando ele voltar.",
        ),
        OwnAlert.NOTIFICATION_REFUSED: (
            "Uma notificação foi recusada",
            "{reason}. O remetente não tentará de novo; o conteúdo ficou guardado.",
        ),
    },
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
        language: of the words.
        values: for the words; ``channel`` also tells apart what is about different channels.
    """
    summary, description = _WORDS.get(language, _WORDS["en"])[name]
    about = values.get(ABOUT_CHANNEL, "")
    identity = own_identity(name, about)
    resolved = status is AlertStatus.RESOLVED
    alert = Alert(
        fingerprint=f"own:{name.value}:{about}",
        status=status,
        labels=identity.labels,
        annotations={
            "summary": summary.format_map(values),
            "description": "" if resolved else description.format_map(values),
        },
        starts_at=now,
        ends_at=now if resolved else None,
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
