"""``/metrics`` for WSGI and ASGI servers; for aiohttp there is ``ScrapeEndpoint``.

Sources: PEP 3333; ASGI 3.0 with HTTP 2.3.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from wiltonos_service.telemetry.exposition import Exposition, ScrapeReader, ScrapeUnavailable
from wiltonos_service.telemetry.formats import accepts_gzip
from wiltonos_service.telemetry.renderings import Renderings

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
        status, headers, body = _refuse(method) or _render(reader, environ)
        start_response(f"{status.value} {status.phrase}", [*headers.items()])
        return [b"" if method == "HEAD" else body]

    return metrics


def make_asgi_app(reader: ScrapeReader) -> AsgiApp:
    """An ASGI application, to be mounted, that answers GET and HEAD with the metrics of a reader.

    It renders in a thread, one for all who ask.
    """
    renderings = Renderings(reader)

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if scope["type"] != "http":
            raise ValueError(f"/metrics speaks HTTP, not {scope['type']}")
        method = scope["method"]
        status, headers, body = _refuse(method) or await _render_aside(renderings, scope)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status.value, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    return metrics


def _render(reader: ScrapeReader, environ: Mapping[str, Any]) -> _Answer:
    names = _names(environ.get("QUERY_STRING", ""))
    try:
        exposition = reader.render(environ.get("HTTP_ACCEPT", ""), names)
    except ScrapeUnavailable as error:
        return _say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    gzip = accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
    return _give(exposition.gzipped() if gzip else exposition)


async def _render_aside(renderings: Renderings, scope: Scope) -> _Answer:
    fields = _fields(scope)
    names = _names(scope.get("query_string", b"").decode("latin-1"))
    gzip = accepts_gzip(fields.get("accept-encoding", ""))
    try:
        return _give(await renderings.render(fields.get("accept", ""), names, gzip=gzip))
    except ScrapeUnavailable as error:
        return _say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _names(query: str) -> frozenset[str]:
    return frozenset(parse_qs(query).get("name[]", ()))


def _fields(scope: Scope) -> dict[str, str]:
    """Header fields by name; several of one name are one list (RFC 9110 section 5.2)."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _refuse(method: str) -> _Answer | None:
    if method in ("GET", "HEAD"):
        return None
    status, headers, body = _say(HTTPStatus.METHOD_NOT_ALLOWED, "use GET or HEAD")
    return status, {**headers, "Allow": "GET, HEAD"}, body


def _give(exposition: Exposition) -> _Answer:
    length = {"Content-Length": str(len(exposition.body))}
    return HTTPStatus.OK, exposition.headers | length, exposition.body


def _say(status: HTTPStatus, text: str) -> _Answer:
    body = f"{text}\n".encode()
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    return status, headers, body
