"""OTLP over HTTP: one request per call, and what came of it as a value."""

import gzip
import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import requests

from wiltonos_service.redaction import redact
from wiltonos_service.telemetry.transport import Attempt, CannotPackError, Outcome, Packed

Data = TypeVar("Data")

METRICS_PATH = "v1/metrics"
TRACES_PATH = "v1/traces"
# OTLP specification 1.x, "OTLP/HTTP Response": these may be tried again, other 4xx may not
RETRYABLE_STATUSES = frozenset({408, 429})
# by Content-Encoding; level 9, the stock exporter's, takes seven times as long for half a per cent
_LEVEL = 6
_SQUEEZE: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": lambda body: gzip.compress(body, _LEVEL, mtime=0),
    "deflate": lambda body: zlib.compress(body, _LEVEL),
}


@dataclass(frozen=True, slots=True)
class Encoding(Generic[Data]):
    """How batches are encoded, where that is not the stock exporter's part.

    Attributes:
        nothing: a batch with nothing in it, of which the stock exporter makes the request.
        encode: makes the message of a batch.
    """

    nothing: Data
    encode: Callable[[Data], Any]


def signal_url(endpoint: str, path: str = METRICS_PATH) -> str:
    """The address that a signal is posted to, from the base address of an OTLP receiver."""
    base = endpoint.rstrip("/")
    return base if base.endswith(f"/{path}") else f"{base}/{path}"


class OtlpHttp(Generic[Data]):
    """Posts a signal as its stock exporter would; ``OTEL_EXPORTER_OTLP_*`` is its business.

    Headers, TLS and whether to compress are those of the stock exporter, and so is the encoding
    unless another is given. Its request is taken from it before it is sent, so that it can be sent
    again without encoding it again.

    Args:
        stock: the stock exporter of the signal.
        url: the full address, with ``/v1/metrics`` or ``/v1/traces``.
        timeout_seconds: bound on connecting and on waiting for the answer, each.
        authority: file of the certificates to trust; None leaves it to ``requests``.
        encoding: encodes instead of the stock exporter.
    """

    def __init__(
        self,
        stock: type[Any],
        url: str,
        timeout_seconds: float,
        authority: str | None = None,
        encoding: Encoding[Data] | None = None,
    ) -> None:
        # for people: an address may hold a password
        self.target = redact(url)
        self._url = url
        self._stock = stock
        self._encoding = encoding
        self._timeout_seconds = timeout_seconds
        # the stock exporter states it on the session, where REQUESTS_CA_BUNDLE wins over it
        self._verify = {} if authority is None else {"verify": authority}
        logging.getLogger(stock.__module__).addFilter(_not_while_packing)
        self.reopen()

    def reopen(self) -> None:
        """Begin with new connections and new locks."""
        self._session = requests.Session()
        self._catching = _Catching()
        self._exporter = self._stock(
            endpoint=self._url, timeout=self._timeout_seconds, session=self._catching
        )

    def pack(self, data: Data) -> Packed:
        """The request of the stock exporter.

        Raises:
            CannotPackError: the batch cannot be encoded.
        """
        encoding = self._encoding
        made = self._request_around(encoding, data) if encoding else self._request(data)
        request, arguments = made
        body, request.body = request.body, None
        assert isinstance(body, bytes)
        return Packed(body, (request, arguments), dense="Content-Encoding" in request.headers)

    def _request(self, data: Data) -> "_Request":
        """What the stock exporter would send."""
        try:
            with self._catching.one_request() as caught:
                self._exporter.export(data)
        except Exception as error:
            # 1.39 lets through what the encoder raises
            raise _cannot_pack(error) from error
        if not caught:
            raise CannotPackError("the batch cannot be encoded")
        return caught[0]

    def _request_around(self, encoding: Encoding[Data], data: Data) -> "_Request":
        """What the stock exporter would send for nothing, with the batch in it."""
        request, arguments = self._request(encoding.nothing)
        squeeze = _SQUEEZE.get(str(request.headers.get("Content-Encoding", "")))
        if squeeze is None:
            return self._request(data)
        request.prepare_body(squeeze(_encoded(encoding, data)), None)
        return request, arguments

    def send(self, packed: Packed) -> Attempt:
        """Post once."""
        request, arguments = packed.envelope
        posted = request.copy()
        posted.body = packed.body
        arguments = {**arguments, **self._verify, "timeout": self._timeout_seconds}
        arguments["allow_redirects"] = False
        try:
            return _judge(self._session.send(posted, **arguments))
        except OSError as error:
            # also a certificate that has gone, for which requests has no exception of its own
            return Attempt(Outcome.RETRY, _reason(error))

    def close(self) -> None:
        """Let go of the connections."""
        self._exporter.shutdown()
        self._session.close()


_Request = tuple[requests.PreparedRequest, dict[str, Any]]
_packing = threading.local()


class _Catching(requests.Session):
    """Takes the requests of the stock exporter instead of sending them."""

    def one_request(self) -> "_Caught":
        """The requests that the exporter makes in the block, in this thread."""
        return _Caught()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        _packing.caught.append((request, kwargs))
        # an exception would be kept by the exporter, its traceback keep every frame up to the
        # thread's first, and these the whole collection until garbage is collected
        taken = requests.Response()
        taken.status_code = HTTPStatus.OK
        return taken


class _Caught:
    def __enter__(self) -> list[_Request]:
        caught: list[_Request] = []
        _packing.caught = caught
        return caught

    def __exit__(self, *_exception: object) -> None:
        del _packing.caught


def _encoded(encoding: Encoding[Data], data: Data) -> bytes:
    try:
        body: bytes = encoding.encode(data).SerializeToString()
    except Exception as error:
        raise _cannot_pack(error) from error
    return body


def _cannot_pack(error: Exception) -> CannotPackError:
    return CannotPackError(f"the batch cannot be encoded: {type(error).__name__}")


def _not_while_packing(_record: logging.LogRecord) -> bool:
    """Drop what the stock exporter logs about requests that we took from it."""
    return not hasattr(_packing, "caught")


def _judge(response: requests.Response) -> Attempt:
    status = response.status_code
    if 200 <= status < 300:
        return Attempt(Outcome.DELIVERED)
    reason = f"HTTP {status} {response.reason or ''}".rstrip()
    permanent = 300 <= status < 500 and status not in RETRYABLE_STATUSES
    return Attempt(Outcome.REFUSED if permanent else Outcome.RETRY, reason)


def _reason(error: BaseException) -> str:
    """The operating system's word for it, where there is one: it names no address."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno and seen.strerror:
            return seen.strerror
        nested = getattr(seen.args[0], "reason", None) if seen.args else None
        seen = nested if isinstance(nested, BaseException) else seen.__cause__ or seen.__context__
    return type(error).__name__
