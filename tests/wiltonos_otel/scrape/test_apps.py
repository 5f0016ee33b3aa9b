"""The WSGI and ASGI applications, behind real servers where the standard library has one."""

import asyncio
import gc
import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider

from wiltonos_otel.scrape import (
    FastMetricReader,
    ScrapeUnavailable,
    make_asgi_app,
    make_wsgi_app,
    reader,
)
from wiltonos_otel.scrape.apps import AsgiApp
from wiltonos_service.telemetry import exposition, renderings


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


async def call(
    reader: FastMetricReader, app: AsgiApp | None = None, **scope: Any
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Ask the ASGI application as a server would."""
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    given = {"type": "http", "method": "GET", "headers": [], "query_string": b"", **scope}
    await (app or make_asgi_app(reader))(given, receive, send)
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


class Hanging:
    """A callback that hangs until it is let go.

    Args:
        provider: whose collections call it.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self.called, self.let_go = threading.Event(), threading.Event()
        provider.get_meter("a").create_observable_gauge("g", [self.read])

    def read(self, _options: CallbackOptions) -> list[Observation]:
        """Hang."""
        self.called.set()
        self.let_go.wait(20)
        return [Observation(1)]


@pytest.fixture
def hanging(both: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """A callback of the provider that hangs, and scrapes that have little patience with it."""
    for module in (exposition, renderings, reader):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    callback = Hanging(both.provider)
    yield callback
    callback.let_go.set()


async def test_asgi_takes_one_thread_while_a_callback_hangs(both: Any, hanging: Hanging) -> None:
    """Whoever asks gets an answer, and the threads that a service shares are left to it."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as executor:
        loop.set_default_executor(executor)
        app = make_asgi_app(both.fast)
        names = (b"", b"name[]=g", b"name[]=h", b"name[]=i")
        answers = await asyncio.gather(*(call(both.fast, app, query_string=n) for n in names))
        assert {status for status, _, _ in answers} == {503}
        assert b"a callback hangs" in answers[0][2]
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
        hanging.let_go.set()
        assert (await call(both.fast, app))[0] == 200


def test_asgi_serves_several_event_loops_at_once(both: Any) -> None:
    """A service may show its metrics on an address of their own, in another thread."""
    both.provider.get_meter("a").create_up_down_counter("g").add(1)
    app, statuses = make_asgi_app(both.fast), list[int]()

    async def scrape() -> None:
        for _ in range(10):
            names = (b"", b"name[]=g", b"name[]=h")
            answers = await asyncio.gather(*(call(both.fast, app, query_string=n) for n in names))
            statuses.extend(status for status, _, _ in answers)

    threads = [threading.Thread(target=asyncio.run, args=(scrape(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 90


def test_threads_get_an_answer_while_a_callback_hangs(both: Any, hanging: Hanging) -> None:
    """The same scrape or another one; when the callback returns, so do the metrics."""
    first = threading.Thread(target=both.fast.render)
    first.start()
    assert hanging.called.wait(5)
    for names in ([], ["g"]):
        with pytest.raises(ScrapeUnavailable, match="a callback hangs"):
            both.fast.render(names=names)
    hanging.let_go.set()
    first.join()
    assert b"g 1.0" in both.fast.render().body


def test_garbage_is_collected_again_while_a_callback_hangs(both: Any, hanging: Hanging) -> None:
    """A hanging callback must not fill the memory of a service with what nobody uses."""
    first = threading.Thread(target=both.fast.render)
    first.start()
    assert hanging.called.wait(5)
    assert not gc.isenabled()
    with pytest.raises(ScrapeUnavailable):
        both.fast.render()
    assert gc.isenabled()
    hanging.let_go.set()
    first.join()
    assert gc.isenabled()
