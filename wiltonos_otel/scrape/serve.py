"""A metrics reader on an address of its own, for a program that serves no HTTP itself."""

import logging
import socket
import sys
import threading
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from wiltonos_otel.scrape.apps import make_wsgi_app
from wiltonos_service.forks import in_child
from wiltonos_service.telemetry.bounded import bounded
from wiltonos_service.telemetry.exposition import ScrapeReader

log = logging.getLogger(__name__)

SERVING_THREAD = "wiltonos-metrics-page"
# a client that says nothing for so long is gone
CLIENT_SECONDS = 10
_POLL_SECONDS = 0.1


class MetricsServer:
    """Answers scrapes on every path, each in a thread of its own, until it is closed.

    A child that is forked has no page: it lets go of the address.

    Args:
        reader: renders; must be safe to call from many threads, as ``FastMetricReader`` is.
        host: to listen on, an address or a name.
        port: 0 to 65535; 0 lets the system choose.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(self, reader: ScrapeReader, host: str, port: int) -> None:
        # of a name with several addresses, the one that others guess
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        self._server = _Server(family, address, make_wsgi_app(reader))
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL_SECONDS,),
            name=SERVING_THREAD,
            daemon=True,
        )
        self._thread.start()
        in_child(self._server.let_go)

    def close(self, seconds: float) -> None:
        """Take no more scrapes, and let go of the address; waits so long at most."""
        if self._server.serves:
            bounded(self._server.shutdown, seconds)
        self._server.let_go()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # a second process on the port is a mistake to hear of, whatever the base class comes to think
    allow_reuse_port = False

    def __init__(self, family: int, address: Any, app: Any) -> None:
        self.serves = True
        self.address_family = family
        super().__init__(address, _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Listen, without the look-up of names that the base class makes and that may hang."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def let_go(self) -> None:
        """Close the address; in a child nobody serves, and so nobody could be told to stop."""
        self.serves = False
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the program."""
        del request
        log.debug("a scrape from %s failed: %r", client_address, sys.exc_info()[1])


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Write no access log into the output of the program."""
