"""The exporter's pages: the live page, its JSON and its stream of events."""
