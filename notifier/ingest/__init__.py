"""Webhooks come in: read, told from probes, and refused or committed before they are answered."""
