"""A notifier whose PostgreSQL is behind a network that loses, cuts, refuses and comes back."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import make_url

from notifier.testing.webhooks import Body, alert, encoded, webhook
from tests.notifier.network import Network, network

pytest.importorskip("asyncpg")

from notifier.store import postgresql as module
from notifier.store.watched import Patience

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

START = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Patience(free=2.0, connect=1.5, ping=0.4, fresh=0.1, lock=0.8, answer=1.0, open=1.5)
# of a server that answers again, until the service is ready
SOON = 15.0
# after which whoever stops it may kill it
STOP_SECONDS = 10.0
SENDERS = 3


@pytest.fixture
async def carrier(database_url: str) -> AsyncIterator[Network]:
    """A network to the server."""
    async with network(make_url(database_url).port or 0) as made:
        yield made


@pytest.fixture
async def run(
    start: Callable[..., Any],
    texts: dict[str, str],
    database_url: str,
    carrier: Network,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A notifier behind the network, with a Slack that can look up what it has got."""
    monkeypatch.setattr(module, "PATIENCE", QUICK)
    url = make_url(database_url).set(port=carrier.port).render_as_string(hide_password=False)
    return await start(texts["slack"], database=url)


def group(number: int) -> Body:
    """A webhook of a group of its own."""
    return webhook(alert(f"A{number}", starts_at=START), group_key=f"group {number}")


async def ready(run: Any) -> tuple[int, str]:
    """What ``/-/ready`` answers: its status, and why."""
    async with run.http.get(f"{run.base}/-/ready") as response:
        return response.status, (await response.json()).get("error", "")


async def until_ready(run: Any, eventually: Callable[..., Awaitable[None]]) -> None:
    """Wait until it is; not for long."""

    async def well() -> bool:
        return (await ready(run))[0] == 200

    await eventually(well, SOON)


def refuse(carrier: Network) -> None:
    """Let the server be gone."""
    carrier.cut()
    carrier.refuse()


AWAY: dict[str, Callable[[Network], None]] = {
    "lost": Network.lose,
    "half lost": lambda carrier: carrier.lose(up=False),
    "refused": refuse,
}


@pytest.mark.parametrize("how", AWAY)
async def test_it_says_why_it_is_not_ready_and_is_soon_after(
    run: Any, carrier: Network, eventually: Callable[..., Awaitable[None]], how: str
) -> None:
    """Webhooks are refused with the reason meanwhile, and delivered as soon as they are taken."""
    await run.post(group(1))
    AWAY[how](carrier)
    await run.post(group(2), 503)
    status, why = await ready(run)
    assert status == 503
    assert "the database" in why
    carrier.heal()
    await until_ready(run, eventually)
    await run.post(group(3))
    await run.delivered(2)
    shown = sorted(message.text for message in run.slack_messages())
    assert ["A1" in shown[0], "A3" in shown[1], len(shown)] == [True, True, 2]


async def test_it_stops_in_time_while_its_database_is_lost(run: Any, carrier: Network) -> None:
    """Whoever stops it, and kills it after ten seconds, does not have to."""
    await run.post(group(1))
    carrier.lose()
    posting = asyncio.create_task(takes(run, group(2)))
    await carrier.lost.wait()
    async with asyncio.timeout(STOP_SECONDS):
        await run.end()
    assert not await posting


async def delivered_once(run: Any, carrier: Network) -> None:
    """Post, and find it delivered soon after the network has lost something and healed."""
    await run.post(group(1))
    async with asyncio.timeout(SOON):
        await carrier.lost.wait()
        carrier.heal()
        await run.delivered()
    assert len(run.slack_messages()) == 1


@pytest.mark.parametrize("said", [(), (b"COMMIT",)], ids=["claim", "its commit"])
async def test_a_claim_that_was_lost_does_not_wait_for_its_lease(
    run: Any, carrier: Network, said: tuple[bytes, ...]
) -> None:
    """Whether it was committed nobody knows: its row is delivered at once all the same."""
    carrier.lose_answer_to(run.service.owner.encode(), *said)
    await delivered_once(run, carrier)


async def test_a_receipt_that_could_not_be_written_is_written_later(
    run: Any, carrier: Network
) -> None:
    """The message was sent: it is not sent again."""
    carrier.lose_answer_to(run.service.owner.encode(), run.service.owner.encode())
    await delivered_once(run, carrier)


async def test_no_webhook_that_was_taken_is_lost_however_the_network_behaves(
    run: Any, carrier: Network, eventually: Callable[..., Awaitable[None]]
) -> None:
    """Senders that repeat what was refused, as Alertmanager does, find everything, once."""
    troubles: list[Callable[[], None]] = [
        carrier.lose,
        carrier.cut,
        lambda: carrier.lose(up=False),
        lambda: carrier.lose_answer_to(b"COMMIT"),
        lambda: carrier.lose(down=False),
    ]
    taken: set[str] = set()
    stop = asyncio.Event()

    async def send(sender: int) -> None:
        for number in itertools.count():
            name = f"A{sender}x{number}"
            body = webhook(alert(name, starts_at=START), group_key=f"group {sender}")
            while not await takes(run, body):  # noqa: ASYNC110 - a sender waits, too
                await asyncio.sleep(0.05)
            taken.add(name)
            if stop.is_set():
                return

    senders = [asyncio.create_task(send(sender)) for sender in range(SENDERS)]
    for trouble in troubles:
        before = len(taken)
        carrier.lost.clear()
        trouble()
        if trouble != carrier.cut:
            await carrier.lost.wait()
        carrier.heal()

        async def goes_on(before: int = before) -> bool:
            return len(taken) > before + SENDERS

        await eventually(goes_on, SOON)
    stop.set()
    await asyncio.gather(*senders)
    await run.delivered(SENDERS)
    views, _ = await run.service.store.incidents()
    assert {each.name for view in views for each in view.incident.firing} == taken
    assert [len(view.incident.firing) for view in views] == [
        view.incident.revision for view in views
    ]
    assert len(run.slack_messages()) == SENDERS


async def takes(run: Any, body: Body) -> bool:
    """Whether a webhook is taken; what is not taken is refused in a way that lets it come again."""
    async with run.http.post(f"{run.base}/api/v1/alertmanager", data=encoded(body)) as response:
        assert response.status in {200, 503}
        return bool(response.status == 200)
