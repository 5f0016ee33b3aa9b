"""What the notifier says about itself, in the language of the channel that shows it. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from notifier.alerts import AlertStatus
from notifier.incident.model import Incident, IncidentAlert
from notifier.incident.planner import OWN_RECEIVER
from notifier.render.words import words

# marks the annotations that hold what the words need; no message shows these
_VALUE = "__own_"


def own_annotations(
    name: str, status: AlertStatus, language: str, values: Mapping[str, str]
) -> dict[str, str]:
    """Summary, description and what other languages need to say the same.

    Args:
        name: the ``alertname``.
        status: an end needs no description.
        language: of the words.
        values: for their placeholders.
    """
    spoken = words(language)
    told = {part: spoken.say(f"own.{name}.{part}", **values) for part in ("summary", "description")}
    if status is AlertStatus.RESOLVED:
        told["description"] = ""
    return told | {f"{_VALUE}{key}": value for key, value in values.items()}


def translated(incident: Incident, language: str) -> Incident:
    """The incident; one of our own speaks the language, whatever it was opened in."""
    if incident.receiver != OWN_RECEIVER:
        return incident
    return replace(incident, alerts=tuple(_translated(each, language) for each in incident.alerts))


def _translated(alert: IncidentAlert, language: str) -> IncidentAlert:
    values = {
        key.removeprefix(_VALUE): value
        for key, value in alert.annotations.items()
        if key.startswith(_VALUE)
    }
    if not values:
        # opened by a version that kept the words only
        return alert
    return replace(alert, annotations=own_annotations(alert.name, alert.status, language, values))
