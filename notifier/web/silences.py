"""Silences over HTTP: the signed links of the messages, and what the inbox page asks.

GET only shows: chats fetch links by themselves to preview them. POST acts.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel, ConfigDict, ValidationError

from notifier.clock import Clock
from notifier.incident import Incident, QuietKind
from notifier.render import RenderContext
from notifier.render.card import card
from notifier.render.words import words
from notifier.silences.asking import MOST_COMMENT, MOST_HOURS, MOST_NAME, Ask, Desk, offered
from notifier.silences.following import Note
from notifier.silences.links import PATH, Action, SignedLink, Signer
from notifier.silences.model import (
    NO_COMMENT,
    Silence,
    SilenceError,
    SilenceState,
    matchers_of,
    parse_matchers,
    written,
)
from notifier.web.documents import answer, instant
from notifier.web.pages import page

R = TypeVar("R")
# of those that are over, how many the page lists
MOST_EXPIRED = 50
MOST_LISTED = 500
_ALREADY = {QuietKind.SILENCED: "sorry.silenced", QuietKind.ACKNOWLEDGED: "sorry.acknowledged"}
_OFF = "alertmanager_url in [notifier] is empty, so there is nothing to silence"


class _UnreadableError(SilenceError):
    """A body is not what its headers say."""


class _Asked(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")

    by: str = ""
    comment: str = ""
    hours: float | None = None
    matchers: str = ""

    def ask(self) -> Ask:
        return Ask(self.by, self.comment, self.hours)


class SilencePages:
    """``/silence/{token}``, ``/api/v1/silences`` and what may be done to an incident.

    Args:
        desk: does what is asked; None while silences are off.
        signer: reads the links.
        clock: the time.
        context: for the words of the pages.
    """

    def __init__(
        self,
        desk: Callable[[], Desk | None],
        signer: Callable[[], Signer],
        clock: Clock,
        context: RenderContext,
    ) -> None:
        self._desk_now = desk
        self._signer = signer
        self._clock = clock
        self.context = context

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        router = app.router
        router.add_get(PATH + "{token}", self.show)
        router.add_post(PATH + "{token}", self.act)
        router.add_get("/api/v1/silences", self.listed)
        router.add_post("/api/v1/silences", self.create)
        router.add_delete("/api/v1/silences/{id}", self.end)
        for action in Action:
            path = f"/api/v1/incidents/{{id}}/{action.value}"
            router.add_post(path, self._acting(action))

    async def show(self, request: web.Request) -> web.Response:
        """``GET /silence/{token}``: what would happen, and a form; nothing happens."""
        try:
            link, incident = await self._read(request)
        except SilenceError as error:
            return self._sorry(error)
        return self._confirm(link, incident)

    async def act(self, request: web.Request) -> web.Response:
        """``POST /silence/{token}``: do it, once."""
        try:
            link, incident = await self._read(request)
            form = await _readable(request, request.post)
        except _UnreadableError as error:
            return _closing(self._sorry(error, 400))
        except SilenceError as error:
            return self._sorry(error)
        given = {name: str(value) for name, value in form.items()}
        try:
            ask = Ask(given.get("by", ""), given.get("comment", ""), _hours(given.get("hours")))
            after = await self._use(link, ask)
        except SilenceError as error:
            return self._confirm(link, incident, given, error)
        return self._page("silence_done.html", after, action=link.action.value)

    async def _use(self, link: SignedLink, ask: Ask) -> Incident:
        desk = self._desk()
        if not await desk.store.use(link):
            raise SilenceError.of("sorry.used")
        try:
            return await desk.act(link.action, link.incident_id, ask)
        except BaseException:
            await desk.store.give_back(link)
            raise

    async def _read(self, request: web.Request) -> tuple[SignedLink, Incident]:
        desk = self._desk()
        link = self._signer().read(request.match_info["token"], self._clock.now())
        if await desk.store.used(link):
            raise SilenceError.of("sorry.used")
        incident = await desk.store.incident(link.incident_id)
        if incident is None:
            raise SilenceError.of("sorry.removed")
        if link.action not in offered(incident):
            raise _no_more(link.action, incident)
        if link.action is not Action.UNDO:
            # where there is nothing to name, nobody should fill in a form first
            matchers_of(incident)
        return link, incident

    def _confirm(
        self,
        link: SignedLink,
        incident: Incident,
        given: Mapping[str, str] | None = None,
        problem: SilenceError | None = None,
    ) -> web.Response:
        undo = link.action is Action.UNDO
        return self._page(
            "silence.html",
            incident,
            status=409 if problem else 200,
            action=link.action.value,
            matchers=[] if undo else [str(each) for each in matchers_of(incident)],
            hours=self._desk().silence_hours,
            minutes=self._desk().ack_minutes,
            given=given or {},
            problem=problem and _said(problem, self.context.language),
            most={"name": MOST_NAME, "comment": MOST_COMMENT, "hours": MOST_HOURS},
        )

    def _page(
        self, template: str, incident: Incident, *, status: int = 200, **values: Any
    ) -> web.Response:
        said = card(incident, self.context)
        language = self.context.language
        return page(
            template,
            status,
            language=language,
            title=words(language).say(f"link.{values['action']}"),
            card=said,
            quiet=incident.quiet,
            **values,
        )

    def _sorry(self, error: SilenceError, status: int = 410) -> web.Response:
        language = self.context.language
        title = words(language).say("page.sorry")
        return page(
            "silence_sorry.html",
            status,
            language=language,
            title=title,
            problem=_said(error, language),
        )

    async def listed(self, _request: web.Request) -> web.Response:
        """``GET /api/v1/silences``."""
        desk = self._desk_now()
        document = {
            "available": desk is not None,
            "silences": [],
            "error": None,
            "silence_hours": desk.silence_hours if desk else None,
            "ack_minutes": desk.ack_minutes if desk else None,
        }
        if desk is None:
            return answer({**document, "error": _OFF})
        try:
            silences = await desk.alertmanager.silences()
        except SilenceError as error:
            return answer({**document, "error": str(error)})
        notes = await desk.store.notes()
        return answer({**document, "silences": [_silence(s, notes) for s in _shown(silences)]})

    async def create(self, request: web.Request) -> web.Response:
        """``POST /api/v1/silences``."""

        async def work(asked: _Asked) -> dict[str, Any]:
            return {"id": await self._desk().silence(parse_matchers(asked.matchers), asked.ask())}

        return await self._answered(request, work)

    async def end(self, request: web.Request) -> web.Response:
        """``DELETE /api/v1/silences/{id}``."""
        try:
            await self._desk().end(request.match_info["id"])
        except SilenceError as error:
            return answer({"error": str(error)}, 409)
        return answer({"status": "ended"})

    def _acting(self, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def act(request: web.Request) -> web.Response:
            async def work(asked: _Asked) -> dict[str, Any]:
                await self._desk().act(action, request.match_info["id"], asked.ask())
                return {"status": "done"}

            return await self._answered(request, work)

        return act

    async def _answered(
        self, request: web.Request, work: Callable[[_Asked], Awaitable[dict[str, Any]]]
    ) -> web.Response:
        try:
            asked = _Asked.model_validate_json(await _readable(request, request.read))
        except _UnreadableError as error:
            return _closing(answer({"error": str(error)}, 400))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            return answer({"error": f"{where}: {first['msg']}"}, 400)
        try:
            return answer(await work(asked))
        except SilenceError as error:
            return answer({"error": str(error)}, 409)

    def _desk(self) -> Desk:
        desk = self._desk_now()
        if desk is None:
            raise SilenceError(_OFF)
        return desk


def _said(error: SilenceError, language: str) -> tuple[str, str]:
    """Why not, and the language of that line: what other programs say of it is English."""
    if not error.word:
        return str(error), "en"
    return words(language).say(error.word, **error.values), language


async def _readable(request: web.Request, read: Callable[[], Awaitable[R]]) -> R:
    """What is read of a body.

    Raises:
        _UnreadableError: it is not what its headers say.
    """
    try:
        return await read()
    except (web.RequestPayloadError, HttpProcessingError, ValueError, LookupError):
        # else aiohttp reads the rest after our answer, fails once more and logs a traceback
        request.content.feed_eof()
        raise _UnreadableError.of("sorry.unreadable") from None


def _closing(response: web.Response) -> web.Response:
    """The last answer of its connection, on which nobody knows where the next request begins."""
    response.force_close()
    return response


def _hours(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise SilenceError.of("sorry.number") from None


def _no_more(action: Action, incident: Incident) -> SilenceError:
    quiet = incident.quiet
    if action is Action.UNDO:
        return SilenceError.of("sorry.heard")
    if quiet and not quiet.resolved_unseen:
        return SilenceError.of(_ALREADY[quiet.kind] if quiet.by else "sorry.quiet", who=quiet.by)
    return SilenceError.of("sorry.over")


def _shown(silences: Any) -> list[Silence]:
    over = [each for each in silences if each.state is SilenceState.EXPIRED]
    current = [each for each in silences if each.state is not SilenceState.EXPIRED]
    current.sort(key=lambda each: each.ends_at)
    over.sort(key=lambda each: each.ends_at, reverse=True)
    return [*current[:MOST_LISTED], *over[:MOST_EXPIRED]]


def _silence(silence: Silence, notes: Mapping[str, Note]) -> dict[str, Any]:
    note = notes.get(silence.id)
    return {
        "id": silence.id,
        "state": silence.state.value,
        "matchers": written(silence.matchers),
        "created_by": silence.created_by,
        "comment": "" if silence.comment == NO_COMMENT else silence.comment,
        "starts_at": instant(silence.starts_at),
        "ends_at": instant(silence.ends_at),
        "incident_id": note.incident_id if note else None,
        "renews": note is not None and note.kind is QuietKind.ACKNOWLEDGED,
    }
