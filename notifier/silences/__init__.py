"""Silences and acknowledgements: asked for in a chat, kept by Alertmanager, shown to all."""
