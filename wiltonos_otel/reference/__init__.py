"""The reference pages and the registry of metrics, generated from what the code declares."""
