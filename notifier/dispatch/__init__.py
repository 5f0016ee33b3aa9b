"""Incidents go out: which channel is due, what it should show, and what became of the attempt."""
