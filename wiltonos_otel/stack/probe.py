"""Short questions to the parts of the stack over loopback HTTP."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 2.0
MAX_BYTES = 8 << 20
# loopback is never behind a proxy
_SAID_LENGTH = 120
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status, or 0 when nobody answered.
        text: the body, or why there is none.
        date: Unix second that the other side's clock showed (header ``Date``), or None.
    """

    status: int
    text: str
    date: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """The text on one short line, whatever it holds: it is shown in a terminal."""
        line = " ".join(self.text.split())[:_SAID_LENGTH]
        return line if line.isprintable() else ascii(line)[1:-1]

    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


def get(url: str, *, token: str | None = None, seconds: float = SECONDS) -> Answer:
    """Ask once; never raises for what the other side does."""
    return _ask(Request(url), token, seconds)  # noqa: S310 - http URLs of the stack only


def post(
    url: str,
    body: bytes,
    *,
    token: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    seconds: float = SECONDS,
) -> Answer:
    """Send JSON once; never raises for what the other side does."""
    told = {"Content-Type": "application/json", **headers}
    request = Request(url, body, told, method="POST")  # noqa: S310 - http URLs of the stack only
    return _ask(request, token, seconds)


def _ask(request: Request, token: str | None, seconds: float) -> Answer:
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with _opener.open(request, timeout=seconds) as response:
            return _answer(response.status, response)
    except HTTPError as error:
        with error:
            return _answer(error.code, error)
    except URLError as error:
        return Answer(0, _reason(error.reason))
    except OSError as error:
        return Answer(0, _reason(error))
    except HTTPException:
        return Answer(0, "no HTTP is spoken there")


def _answer(status: int, response: HTTPResponse | HTTPError) -> Answer:
    text = response.read(MAX_BYTES).decode("utf-8", "replace")
    return Answer(status, text, _seconds(response.headers.get("Date")))


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _reason(error: object) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def query(
    prometheus: str, expression: str, *, at: float | None = None, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """The result of an instant query (Prometheus HTTP API v1); [] when it cannot be had.

    Args:
        prometheus: its base URL.
        expression: PromQL.
        at: Unix second for which it is evaluated; None means Prometheus' own now.
        seconds: how long to wait for the answer.
    """
    question = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
    answer = get(f"{prometheus}/api/v1/query?{urlencode(question)}", seconds=seconds)
    body = answer.json() if answer.ok else None
    if not isinstance(body, dict) or body.get("status") != "success":
        return []
    result = body.get("data", {}).get("result", [])
    return result if isinstance(result, list) else []


def main(arguments: list[str]) -> int:
    """Ask one URL, for health checks of containers: 0 when it answers well, else 1."""
    answer = get(arguments[0])
    if not answer.ok:
        print(f"{arguments[0]}: {answer.status or answer.text}", file=sys.stderr)  # noqa: T201
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
