"""Incidents: their values and the step that a notification makes. Pure."""
