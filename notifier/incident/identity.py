"""Which incident a notification belongs to. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from notifier.alerts import Notification


@dataclass(frozen=True, slots=True)
class Identity:
    """What an incident is found by.

    Attributes:
        receiver: the Alertmanager receiver.
        key: the group key, or the folding labels as canonical JSON.
        labels: the labels that tell a reader which incident it is.
    """

    receiver: str
    key: str
    labels: Mapping[str, str]

    @property
    def digest(self) -> str:
        """64 hex digits: group keys are longer than what a database index takes."""
        return hashlib.sha256(f"{self.receiver}\0{self.key}".encode()).hexdigest()


def identify(notification: Notification, incident_by: Sequence[str]) -> Identity:
    """The identity of the incident that a notification reports to.

    Groups that agree on the ``incident_by`` labels share one; a missing label counts as "". Only
    the labels by which Alertmanager groups count: those of the alerts may differ from one
    notification to the next, and the group would move to another incident while it fires. A group
    that has none of the labels is an incident of its own.
    """
    folding = {name: notification.group_labels.get(name, "") for name in incident_by}
    if any(folding.values()):
        key = json.dumps(folding, sort_keys=True, ensure_ascii=False)
        return Identity(notification.receiver, key, folding)
    return Identity(notification.receiver, notification.group_key, notification.group_labels)
