"""Incidents of very many alerts hold nobody up."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from notifier.beside import MANY_ALERTS
from notifier.dispatch.outlet import Outlet
from notifier.incident import Incident
from notifier.testing.webhooks import alert, webhook
from notifier.web import api
from notifier.web.documents import incident_document


class Gate:
    """Work that a test lets go on, and the threads that it was done in."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.threads: list[threading.Thread] = []

    def passed(self, incident: Incident) -> None:
        """Wait, where the incident is large."""
        self.threads.append(threading.current_thread())
        if len(incident.alerts) > MANY_ALERTS:
            assert self.opened.wait(20)

    @property
    def beside(self) -> list[bool]:
        """Whether each was done in a thread of its own."""
        return [each is not threading.main_thread() for each in self.threads]

    async def reached(self) -> bool:
        """Whether something large waits."""
        return True in self.beside


def large() -> Any:
    """More alerts than are told of in the loop."""
    return webhook(*(alert(f"A{number}") for number in range(MANY_ALERTS + 1)), group_key="large")


async def test_a_message_of_many_alerts_is_made_beside_the_loop(
    start: Callable[..., Any],
    texts: dict[str, str],
    eventually: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Health checks and webhooks are answered meanwhile; a usual one takes no detour."""
    run = await start(texts["slack"])
    gate, make = Gate(), Outlet.message

    def slowly(self: Outlet, incident: Incident, *more: Any) -> Any:
        gate.passed(incident)
        return make(self, incident, *more)

    monkeypatch.setattr(Outlet, "message", slowly)
    await run.post(webhook(alert("small"), group_key="small"))
    await run.delivered()
    assert gate.beside == [False]
    await run.post(large())
    await eventually(gate.reached)
    assert (await run.get("/-/healthy"))["status"] == "ok"
    await run.post(webhook(alert("B"), group_key="other"))
    gate.opened.set()
    await run.delivered(3)
    shown = [message.text for message in run.slack_messages()]
    assert any(f"{MANY_ALERTS + 1}" in text for text in shown)


async def test_a_document_of_many_alerts_is_made_beside_the_loop(
    start: Callable[..., Any],
    eventually: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads it waits, and nobody else."""
    run = await start("")
    gate, make = Gate(), incident_document

    def slowly(view: Any) -> Any:
        gate.passed(view.incident)
        return make(view)

    await run.post(large())
    monkeypatch.setattr(api, "incident_document", slowly)
    reading = asyncio.create_task(run.get("/api/v1/incidents"))
    await eventually(gate.reached)
    assert (await run.get("/-/healthy"))["status"] == "ok"
    gate.opened.set()
    (document,) = (await reading)["incidents"]
    assert len(document["alerts"]) == MANY_ALERTS + 1
