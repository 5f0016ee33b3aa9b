"""A WSGI application under gunicorn: gunicorn -c gunicorn.conf.py app:application."""

import os
from collections.abc import Callable, Iterable

import wiltonos_otel

StartResponse = Callable[[str, list[tuple[str, str]]], object]


def application(_environ: dict[str, object], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the process that took the request."""
    wiltonos_otel.coherence.set(0.75)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
