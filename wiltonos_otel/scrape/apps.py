"""``/metrics`` for WSGI and ASGI servers; for aiohttp there is ``ScrapeEndpoint``.

Sources: PEP 3333; ASGI 3.0 with HTTP 2.3.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from wiltonos_service.telemetry.exposition import ScrapeReader, ScrapeUnavailable
from wiltonos_service.telemetry.formats import accepts_gzip

StartResponse = Callable[[str, list[tuple[str, str]]], object]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_Answer = tuple[HTTPStatus, dict[str, str], bytes]


def make_wsgi_app(reader: ScrapeReader) -> WsgiApp:
    """A WSGI application that answers every GET and HEAD with the metrics of a reader.

    The reader must be safe to call from many threads; ``FastMetricReader`` is.
    """

    def metrics(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        status, headers, body = _answer(
            reader,
            method,
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_ACCEPT_ENCODING", ""),
            environ.get("QUERY_STRING", ""),
        )
        start_response(f"{status.value} {status.phrase}", [*headers.items()])
        return [b"" if method == "HEAD" else body]

    return metrics


def make_asgi_app(reader: ScrapeReader) -> AsgiApp:
    """An ASGI application, to be mounted, that answers GET and HEAD with the metrics of a reader.

    It renders in a thread. The reader must be safe to call from many; ``FastMetricReader`` is.
    """

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if scope["type"] != "http":
            raise ValueError(f"/metrics speaks HTTP, not {scope['type']}")
        fields = _fields(scope)
        status, headers, body = await asyncio.to_thread(
            _answer,
            reader,
            scope["method"],
            fields.get("accept", ""),
            fields.get("accept-encoding", ""),
            scope.get("query_string", b"").decode("latin-1"),
        )
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status.value, "headers": raw})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    return metrics


def _fields(scope: Scope) -> dict[str, str]:
    """Header fields by name; several of one name are one list (RFC 9110 section 5.2)."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _answer(
    reader: ScrapeReader, method: str, accept: str, accept_encoding: str, query: str
) -> _Answer:
    if method not in ("GET", "HEAD"):
        status, headers, body = _say(HTTPStatus.METHOD_NOT_ALLOWED, "use GET or HEAD")
        return status, {**headers, "Allow": "GET, HEAD"}, body
    try:
        exposition = reader.render(accept, parse_qs(query).get("name[]", []))
    except ScrapeUnavailable as error:
        return _say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if accepts_gzip(accept_encoding):
        exposition = exposition.gzipped()
    length = {"Content-Length": str(len(exposition.body))}
    return HTTPStatus.OK, exposition.headers | length, exposition.body


def _say(status: HTTPStatus, text: str) -> _Answer:
    body = f"{text}\n".encode()
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    return status, headers, body
