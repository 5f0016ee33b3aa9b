"""What the inbox page reads: incidents as they look in the chats, and how they got there."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiohttp import web

from notifier.beside import beside
from notifier.clock import Clock
from notifier.deliver.protocol import Rendered
from notifier.dispatch.outlet import Actions, Outlet
from notifier.incident import Incident, Phase, Quiet
from notifier.incident.severity import worst
from notifier.render import Chat, RenderContext, render
from notifier.render.card import Card, Level, card, level_of
from notifier.render.preview import preview
from notifier.store.base import IncidentView
from notifier.store.search import Cursor, Happening, Wanted, happenings, search
from notifier.store.search import firing as count_firing
from notifier.store.sql import SqlStore
from notifier.web.documents import answer, incident_document, instant

Document = dict[str, Any]
DEFAULT_ROWS = 50
MOST_ROWS = 200
MOST_TEXT = 200
# of one incident; the rest is in /api/v1/incidents
MOST_ALERTS = 200


@dataclass
class Inbox:
    """``/api/v1/inbox`` and ``/api/v1/inbox/{id}``: made for the page, with no promise to others.

    Attributes:
        context: the surroundings of a message; its time is set at rendering.
        channels: the names of the configured channels.
        outlets: the channels in force, which know how their messages look.
        offers: what a reader may do about an incident → where.
        doubtful: whether monitoring is dead, so that an end may be no end.
        heard: when Alertmanager's last heartbeat came.
    """

    store: SqlStore
    clock: Clock
    context: RenderContext
    channels: tuple[str, ...]
    outlets: Callable[[], Mapping[str, Outlet]]
    offers: Actions
    doubtful: Callable[[], bool]
    heard: Callable[[], datetime | None]

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/api/v1/inbox", self.rows)
        app.router.add_get("/api/v1/inbox/{id}", self.detail)

    async def rows(self, request: web.Request) -> web.Response:
        """``GET /api/v1/inbox[?phase=&level=&text=&limit=&cursor=]``."""
        query = request.query
        try:
            phase = Phase(query["phase"]) if query.get("phase") else None
            level = Level(query["level"]) if query.get("level") else None
            limit = int(query.get("limit") or DEFAULT_ROWS)
            cursor = Cursor.parse(query["cursor"]) if query.get("cursor") else None
        except ValueError:
            return answer({"error": "phase, level, limit or cursor is none that exists"}, 400)
        if not 1 <= limit <= MOST_ROWS:
            return answer({"error": f"limit is 1 to {MOST_ROWS}"}, 400)
        wanted = Wanted(phase, query.get("text", "")[:MOST_TEXT], _of_level(level))
        views, following = await self.store.read(lambda c: search(c, wanted, limit, cursor))
        firing = await self.store.read(count_firing)
        context = self._now()
        listed = await beside(
            [view.incident for view in views],
            lambda: [_row(view, card(view.incident, context)) for view in views],
        )
        return answer(
            {
                "incidents": listed,
                "next_cursor": str(following) if following else None,
                "firing": firing,
                "channels": list(self.channels),
                "heard_at": instant(self.heard()),
            }
        )

    async def detail(self, request: web.Request) -> web.Response:
        """``GET /api/v1/inbox/{id}``."""
        incident_id = request.match_info["id"]
        view = await self.store.incident(incident_id)
        if view is None:
            return answer({"error": "there is no such incident; it may have been removed"}, 404)
        past = await self.store.read(lambda c: happenings(c, incident_id))
        return await beside([view.incident], lambda: answer(self._detail(view, past)))

    def _detail(self, view: IncidentView, past: Sequence[Happening]) -> Document:
        document = incident_document(view)
        alerts = document["alerts"]
        return {
            **_row(view, card(view.incident, self._now())),
            "looks": self._looks(view),
            "actions": list(self.offers(view.incident, self.clock.now())),
            "receiver": view.incident.receiver,
            "group_keys": document["group_keys"],
            "alerts": alerts[:MOST_ALERTS],
            "alerts_left": max(len(alerts) - MOST_ALERTS, 0),
            "deliveries": document["deliveries"],
            "history": [_happening(each) for each in past],
        }

    def _looks(self, view: IncidentView) -> list[Document]:
        """The message of each channel that gets the incident; else of each chat, in our words."""
        incident, now = view.incident, self.clock.now()
        actions = self.offers(incident, now)
        outlets, gets = self.outlets(), {row.channel for row in view.deliveries}
        named = [name for name in self.channels if name in gets and name in outlets]
        if named:
            chosen = [outlets[name] for name in named]
            return [
                _look(each.name, each.chat, each.context, each.look(incident, now, actions))
                for each in chosen
            ]
        context = replace(self._now(), actions=actions)
        return [_look("", chat, context, render(chat, incident, context)) for chat in Chat]

    def _now(self) -> RenderContext:
        return replace(self.context, now=self.clock.now(), doubtful=self.doubtful())


def _look(channel: str, chat: Chat, context: RenderContext, message: Rendered) -> Document:
    return {
        "channel": channel,
        "chat": chat.value,
        "language": context.language,
        "html": preview(chat, message.payload),
    }


def _of_level(level: Level | None) -> Callable[[Incident], bool]:
    if level is None:
        return lambda _: True
    return lambda incident: level_of(worst(incident.firing or incident.alerts)) is level


def _row(view: IncidentView, said: Card) -> Document:
    incident = view.incident
    return {
        "id": incident.id,
        "revision": incident.revision,
        "phase": incident.phase.value,
        "level": said.level.value,
        "severity": said.severity,
        "title": said.title,
        "measured": said.measured,
        "where": [list(pair) for pair in said.where],
        "since": instant(said.since),
        "ended": instant(said.ended),
        "firing": said.firing,
        "total": said.total,
        "flaps": said.flaps,
        "left_out": said.left_out,
        "quiet": _quiet(said.quiet),
        "states": Counter(row.state.value for row in view.deliveries),
    }


def _quiet(quiet: Quiet | None) -> Document | None:
    if quiet is None:
        return None
    return {
        "kind": quiet.kind.value,
        "by": quiet.by,
        "until": instant(quiet.until),
        "comment": quiet.comment,
        "ours": quiet.ours,
        "resolved_unseen": quiet.resolved_unseen,
    }


def _happening(each: Happening) -> Document:
    return {"revision": each.revision, "at": instant(each.at), "reasons": list(each.reasons)}
