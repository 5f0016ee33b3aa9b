"""Incidents: their values and the step that a notification makes. Pure."""

from notifier.incident.identity import Identity, identify
from notifier.incident.model import Incident, IncidentAlert, Phase, Quiet, QuietKind
from notifier.incident.reason import RINGING, Reason
from notifier.incident.step import Step, step

__all__ = [
    "RINGING",
    "Identity",
    "Incident",
    "IncidentAlert",
    "Phase",
    "Quiet",
    "QuietKind",
    "Reason",
    "Step",
    "identify",
    "step",
]
