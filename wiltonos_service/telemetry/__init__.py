"""How our services export metrics: the SDK's provider, a push that never blocks, a scrape reader.

Needs the OpenTelemetry SDK; nothing here runs unless a service asks for it.
"""
