"""A scrape reader of our own for any OpenTelemetry service, faster than the stock one and right.

Needs the OpenTelemetry SDK, nothing else. Decision: docs/decisions/0010-scrape-reader.md.

>>> reader = FastMetricReader()
>>> set_meter_provider(MeterProvider([reader]))
>>> app.mount("/metrics", make_asgi_app(reader))
"""

from wiltonos_otel.scrape.apps import make_asgi_app, make_wsgi_app
from wiltonos_otel.scrape.reader import FastMetricReader
from wiltonos_service.telemetry.exposition import Exposition, ScrapeUnavailable

__all__ = [
    "Exposition",
    "FastMetricReader",
    "ScrapeUnavailable",
    "make_asgi_app",
    "make_wsgi_app",
]
