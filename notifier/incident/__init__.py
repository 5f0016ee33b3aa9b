"""Incidents: their values and the step that a notification makes. Pure."""

from notifier.incident.identity import Identity, identify
from notifier.incident.model import (
    KEPT_TRACES,
    Incident,
    IncidentAlert,
    Phase,
    Quiet,
    QuietKind,
    Trace,
)
from notifier.incident.reason import RINGING, Reason
from notifier.incident.step import Step, step

__all__ = [
    "KEPT_TRACES",
    "RINGING",
    "Identity",
    "Incident",
    "IncidentAlert",
    "Phase",
    "Quiet",
    "QuietKind",
    "Reason",
    "Step",
    "Trace",
    "identify",
    "step",
]
