"""The WSGI and ASGI applications, behind real servers where the standard library has one."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest

from wiltonos_otel.scrape import FastMetricReader, make_asgi_app, make_wsgi_app


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def wsgi(both: Any) -> Iterator[HTTPConnection]:
    """A connection to a WSGI server, which validates what the application does."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1)
    server = make_server("127.0.0.1", 0, validator(make_wsgi_app(both.fast)), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    yield connection
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_wsgi_answers_scrapes(wsgi: HTTPConnection) -> None:
    """Format, filter and compression are negotiated."""
    headers = {"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"}
    wsgi.request("GET", "/?name[]=g", headers=headers)
    answer = wsgi.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(answer.read()) == b"# HELP g \n# TYPE g gauge\ng 1.0\n# EOF\n"


def test_wsgi_has_no_body_for_head_and_refuses_post(wsgi: HTTPConnection) -> None:
    """GET and HEAD only."""
    wsgi.request("HEAD", "/")
    answer = wsgi.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0
    wsgi.request("POST", "/", body=b"")
    answer = wsgi.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def call(reader: FastMetricReader, **scope: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """Ask the ASGI application as a server would."""
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    given = {"type": "http", "method": "GET", "headers": [], "query_string": b"", **scope}
    await make_asgi_app(reader)(given, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


async def test_asgi_answers_scrapes(both: Any) -> None:
    """Also where the scraper repeats a header field."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1)
    headers = [
        (b"accept", b"text/plain;q=0.1"),
        (b"accept", b"application/openmetrics-text"),
        (b"accept-encoding", b"gzip"),
    ]
    status, given, body = await call(both.fast, headers=headers, query_string=b"name%5B%5D=g")
    assert status == 200
    assert given[b"content-encoding"] == b"gzip"
    assert int(given[b"content-length"]) == len(body)
    assert gzip.decompress(body) == b"# HELP g \n# TYPE g gauge\ng 1.0\n# EOF\n"
    answers = await asyncio.gather(*(call(both.fast) for _ in range(20)))
    assert {answer[0] for answer in answers} == {200}
    assert len({answer[2] for answer in answers}) == 1


async def test_asgi_says_what_it_cannot_do(both: Any) -> None:
    """Other methods, other protocols, and a reader whose provider has ended."""
    assert (await call(both.fast, method="POST"))[0] == 405
    with pytest.raises(ValueError, match="websocket"):
        await call(both.fast, type="websocket")
    both.provider.shutdown()
    status, _, body = await call(both.fast)
    assert (status, body) == (503, b"the metrics were shut down\n")
