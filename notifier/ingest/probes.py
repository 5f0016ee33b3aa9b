"""Marked probes: alerts that `wt metrics doctor` sends to see whether the way is open.

They come by the same webhook as any alert and are committed as one, but open no incident and reach
no chat: nobody is woken by a test.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from aiohttp import web

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.clock import Clock
from notifier.store.base import Store
from notifier.web.documents import answer, instant
from wiltonos_service.probes import PROBE_ALERT, PROBE_LABEL, PROBES_PATH

# meta key: what came last, newest first
SEEN = "probes"
KEPT = 16
MARK_CHARACTERS = 64


def without_probes(notification: Notification) -> tuple[Notification, tuple[str, ...]]:
    """The notification without its probes, and the marks of those that fire."""
    alerts = tuple(alert for alert in notification.alerts if not _is_probe(alert))
    if len(alerts) == len(notification.alerts):
        return notification, ()
    marks = tuple(
        alert.labels[PROBE_LABEL][:MARK_CHARACTERS]
        for alert in notification.alerts
        if _is_probe(alert) and alert.status is AlertStatus.FIRING
    )
    return replace(notification, alerts=alerts), marks


def _is_probe(alert: Alert) -> bool:
    return alert.labels.get("alertname") == PROBE_ALERT and PROBE_LABEL in alert.labels


@dataclass
class Probes:
    """Keeps the marks that came last, and shows them."""

    store: Store
    clock: Clock
    # what is kept is read, added to and written: two at once would lose the mark of one
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def install(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(PROBES_PATH, self.show)

    async def take(self, marks: Iterable[str]) -> None:
        """Remember marks; returns once that is committed.

        Raises:
            StoreError: it cannot be committed.
        """
        now = str(instant(self.clock.now()))
        new = [{"mark": mark, "received_at": now} for mark in marks]
        if not new:
            return
        async with self._taking:
            await self.store.write_meta(SEEN, json.dumps([*new, *await self._seen()][:KEPT]))

    async def show(self, _request: web.Request) -> web.Response:
        """``GET /api/v1/probes``."""
        return answer({"probes": await self._seen()})

    async def _seen(self) -> list[dict[str, str]]:
        stored = await self.store.read_meta(SEEN)
        seen: list[dict[str, str]] = json.loads(stored) if stored else []
        return seen
