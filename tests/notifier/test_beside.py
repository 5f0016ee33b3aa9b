"""Incidents of very many alerts hold nobody up."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from notifier.beside import MANY_ALERTS, LoopBeside
from notifier.dispatch.outlet import Outlet
from notifier.incident import Incident
from notifier.store.database import open_database
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


async def test_a_database_does_its_work_beside_the_loop(database_url: str) -> None:
    """Documents of many alerts are read and written there, whatever asks for them."""
    database = await open_database(database_url)
    try:
        for run in (database.read, database.write):
            assert await run(lambda _: threading.current_thread()) is not threading.main_thread()
    finally:
        await database.close()


async def test_a_loop_beside_heeds_its_callers() -> None:
    """What they wait for comes or fails there as here, and ends when they go away."""
    beside = LoopBeside("test")
    begun, ended = threading.Event(), threading.Event()

    async def fail() -> None:
        raise ValueError("wrong")

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ValueError, match="wrong"):
        await beside.run(fail())
    waiting = asyncio.create_task(beside.run(wait()))
    assert await asyncio.to_thread(begun.wait, 20)
    waiting.cancel()
    assert await asyncio.to_thread(ended.wait, 20)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await beside.end(asyncio.sleep(0))


async def test_the_end_of_a_loop_beside_ends_what_is_under_way() -> None:
    """Nobody waits for ever for what was not done."""
    beside = LoopBeside("test")
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(beside.run(wait()))
    assert await asyncio.to_thread(begun.wait, 20)
    await beside.end(asyncio.sleep(0))
    with pytest.raises(asyncio.CancelledError):
        await waiting
