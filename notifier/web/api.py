"""The JSON that others read, and what a person may do to dead letters."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.beside import beside
from notifier.clock import Clock
from notifier.errors import PayloadError, StoreError
from notifier.incident import Phase
from notifier.ingest.replaying import replay
from notifier.store.base import Store
from notifier.web.documents import answer, incident_document, letter_document

MOST_INCIDENTS = 500
DEFAULT_INCIDENTS = 100


@dataclass
class Api:
    """``/api/v1/incidents`` and ``/api/v1/dead-letters``.

    Attributes:
        changed: called after a replay, so that the workers look at once.
    """

    store: Store
    clock: Clock
    changed: Callable[[], None]

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        router = app.router
        router.add_get("/api/v1/incidents", self.incidents)
        router.add_get("/api/v1/incidents/{id}", self.incident)
        router.add_get("/api/v1/dead-letters", self.letters)
        router.add_get("/api/v1/dead-letters/{id}", self.letter)
        router.add_delete("/api/v1/dead-letters/{id}", self.drop)
        router.add_post("/api/v1/dead-letters/{id}/replay", self.replay)
        app.middlewares.append(_unavailable)

    async def incidents(self, request: web.Request) -> web.Response:
        """``GET /api/v1/incidents[?phase=&limit=&cursor=]``."""
        try:
            phase = Phase(request.query["phase"]) if request.query.get("phase") else None
            limit = int(request.query.get("limit") or DEFAULT_INCIDENTS)
        except ValueError:
            return answer({"error": "phase is firing or resolved, limit a whole number"}, 400)
        if not 1 <= limit <= MOST_INCIDENTS:
            return answer({"error": f"limit is 1 to {MOST_INCIDENTS}"}, 400)
        cursor = request.query.get("cursor")
        views, following = await self.store.incidents(phase=phase, limit=limit, cursor=cursor)

        def told() -> web.Response:
            documents = [incident_document(view) for view in views]
            return answer({"incidents": documents, "next_cursor": following})

        return await beside([view.incident for view in views], told)

    async def incident(self, request: web.Request) -> web.Response:
        """``GET /api/v1/incidents/{id}``."""
        view = await self.store.incident(request.match_info["id"])
        if view is None:
            return _missing("incident")
        return await beside([view.incident], lambda: answer(incident_document(view)))

    async def letters(self, _request: web.Request) -> web.Response:
        """``GET /api/v1/dead-letters``."""
        letters = await self.store.dead_letters()
        return answer({"dead_letters": [letter_document(letter) for letter in letters]})

    async def letter(self, request: web.Request) -> web.Response:
        """``GET /api/v1/dead-letters/{id}``: with its payload."""
        letter = await self.store.dead_letter(request.match_info["id"])
        if letter is None:
            return _missing("dead letter")
        return answer(letter_document(letter, whole=True))

    async def drop(self, request: web.Request) -> web.Response:
        """``DELETE /api/v1/dead-letters/{id}``."""
        dropped = await self.store.drop(request.match_info["id"])
        return answer({"status": "dropped"}) if dropped else _missing("dead letter")

    async def replay(self, request: web.Request) -> web.Response:
        """``POST /api/v1/dead-letters/{id}/replay``."""
        try:
            replayed = await replay(self.store, request.match_info["id"], self.clock.now())
        except PayloadError as error:
            return answer({"error": f"still not understood: {error}"}, 409)
        if not replayed:
            return _missing("dead letter")
        self.changed()
        return answer({"status": "replayed"})


def _missing(what: str) -> web.Response:
    return answer({"error": f"there is no such {what}"}, 404)


@web.middleware
async def _unavailable(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except StoreError as error:
        return answer({"error": str(error)}, 503)
