"""The HTTP API of the diary: record, list, get, withdraw, sums, metrics, health."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from wiltonos_otel.clock import Clock
from wiltonos_otel.longevity.answers import (
    SERVICE,
    Json,
    info_json,
    page_json,
    refusal_json,
    single_json,
)
from wiltonos_otel.longevity.database import LedgerError
from wiltonos_otel.longevity.diary import Diary
from wiltonos_otel.longevity.dose import FieldError, check_notes
from wiltonos_otel.longevity.ledger import NoSuchDoseError
from wiltonos_otel.longevity.requests import (
    InvalidRequestError,
    NotJsonError,
    parse_dose,
    parse_id,
    parse_json,
    parse_key,
    parse_query,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# a dose with the longest notes, escaped, and room to spare
MAX_BODY_BYTES = 64 * 1024
RETRY_SECONDS = 5

log = structlog.get_logger(__name__)


class LongevityApi:
    """The routes below ``/longevity`` and ``/-/``.

    Args:
        diary: what they work on.
        clock: tells whether a dose was taken in the future.
        version: of this program.
        scrape: answers ``/longevity/metrics``.
    """

    def __init__(self, diary: Diary, clock: Clock, version: str, scrape: Handler) -> None:
        self._diary = diary
        self._clock = clock
        self._version = version
        self._scrape = scrape

    def application(self) -> web.Application:
        """An application with the routes; errors are JSON."""
        app = web.Application(middlewares=[errors_as_json()], client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/longevity/dose", self._record)
        app.router.add_get("/longevity/doses", self._list)
        app.router.add_get("/longevity/doses/{id}", self._get)
        app.router.add_delete("/longevity/doses/{id}", self._withdraw)
        app.router.add_get("/longevity/info", self._info)
        app.router.add_get("/longevity/metrics", self._scrape)
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/-/ready", self._ready)
        return app

    async def _record(self, request: web.Request) -> web.Response:
        key = parse_key(request.headers.get("Idempotency-Key"))
        new = parse_dose(parse_json(await request.read()), self._clock.now_ms())
        dose, replayed = await self._diary.record(new, key)
        headers = {"Location": f"/longevity/doses/{dose.id}"}
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return _answer(single_json(dose), 201, headers)

    async def _list(self, request: web.Request) -> web.Response:
        query = parse_query(dict(request.query))
        return _answer(page_json(await self._diary.find(query), query))

    async def _get(self, request: web.Request) -> web.Response:
        return _answer(single_json(await self._diary.get(parse_id(request.match_info["id"]))))

    async def _withdraw(self, request: web.Request) -> web.Response:
        identity = parse_id(request.match_info["id"])
        reason = check_notes(request.query.get("reason", ""), "reason")
        return _answer(single_json(await self._diary.withdraw(identity, reason)))

    async def _info(self, _request: web.Request) -> web.Response:
        return _answer(info_json(await self._diary.totals(), self._version))

    async def _healthy(self, _request: web.Request) -> web.Response:
        return _answer({"status": "healthy", "service": SERVICE, "version": self._version})

    async def _ready(self, _request: web.Request) -> web.Response:
        await self._diary.check()
        return _answer({"status": "ready", "service": SERVICE, "version": self._version})


def errors_as_json() -> Middleware:
    """Answers every mistake with JSON that says what is wrong and how to mend it."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except FieldError as error:
            return _answer(refusal_json(InvalidRequestError([error])), 422)
        except InvalidRequestError as error:
            return _answer(refusal_json(error), _refusal_status(request, error))
        except NoSuchDoseError as error:
            return _answer({"error": str(error)}, 404)
        except LedgerError as error:
            log.warning("diary unavailable", error=str(error))
            retry = {"Retry-After": str(RETRY_SECONDS)}
            return _answer({"error": "the diary cannot be used now; try again"}, 503, retry)
        except web.HTTPException as error:
            return _plain_error(request, error)

    return errors


def _refusal_status(request: web.Request, error: InvalidRequestError) -> int:
    """422 for a well-formed document that makes no sense, 400 for everything before that."""
    document = request.method == "POST" and not isinstance(error, NotJsonError)
    return 422 if document else 400


def _plain_error(request: web.Request, error: web.HTTPException) -> web.Response:
    messages = {
        404: f"there is no {request.path[:100]}; see /longevity/info",
        405: f"{request.method} is not possible here",
        413: f"the body is larger than {MAX_BODY_BYTES} bytes; shorten the notes",
    }
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return _answer({"error": messages.get(error.status, error.reason)}, error.status, headers)


def _answer(
    document: Json, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    def dumps(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    response = web.json_response(document, status=status, headers=headers, dumps=dumps)
    # health data: no copy in a cache
    response.headers["Cache-Control"] = "no-store"
    return response
