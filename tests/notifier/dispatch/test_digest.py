"""One message for many incidents while the limits of a chat hold a backlog back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from notifier.deliver.factory import build
from notifier.deliver.http import open_session
from notifier.deliver.outcome import Receipt
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Operation
from notifier.dispatch.digest import ChannelDigest
from notifier.dispatch.outlet import Outlet
from notifier.dispatch.worker import ChannelWorker
from notifier.incident.planner import Planner, Route
from notifier.ingest.payload import parse
from notifier.instruments import Instruments
from notifier.render import RenderContext, chat_of
from notifier.store import Ingest, SqlStore, digests, open_store
from notifier.store.digests import BY_DIGEST, DigestState, Episode
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack, ManualClock, answer, cut_after
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import alert, encoded, webhook
from wiltonos_service.secrets import Secret

KINDS = ("slack", "discord_webhook")
AFTER_SECONDS = 10.0
# more than either chat takes in that time
MANY = 15


@dataclass
class Rig:
    """A channel behind a chat that keeps its limits, on a clock that runs by itself."""

    kind: str
    clock: ManualClock
    fake: Any
    store: SqlStore
    pair: Callable[[str], tuple[ChannelWorker, ChannelDigest]] | None = None
    metrics: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def make(self, owner: str) -> tuple[ChannelWorker, ChannelDigest]:
        """The worker of the channel and its digest, in a process of this name."""
        assert self.pair is not None
        return self.pair(owner)

    async def accept(self, name: str, severity: str = "warning", *, over: bool = False) -> None:
        """Commit a webhook about an incident of its own."""
        now = self.clock.now()
        ends = now if over else None
        made = alert(name, severity=severity, starts_at=now - timedelta(minutes=1), ends_at=ends)
        raw = encoded(webhook(made, group_key=name))
        await self.store.accept(Ingest(parse(raw), raw, now))

    @property
    def shown(self) -> list[FakeMessage]:
        """What the chat shows, in the order of posting."""
        every = [m for listed in self.fake.messages.values() for m in listed]
        return [m for m in every if not m.deleted]

    @property
    def digests(self) -> list[FakeMessage]:
        """The digests among it."""
        return [m for m in self.shown if "incidents at once" in m.text]

    async def work(
        self, worker: ChannelWorker, digest: ChannelDigest, until: Callable[[], bool]
    ) -> None:
        """Let both do their work until it holds; an hour at most."""
        end = self.clock.monotonic() + 3600
        look_at = self.clock.monotonic()
        while not until():
            assert self.clock.monotonic() < end
            if self.clock.monotonic() >= look_at:
                look_at = self.clock.monotonic() + 2
                await digest.look()
            wait = await worker._turn()
            if worker._under_way:
                await asyncio.wait(worker._under_way)
            else:
                await self.clock.advance(max(min(wait.seconds, 2.0), 0.01))

    def doubled(self) -> float:
        """How many messages may be there twice, as it is counted."""
        data = self.metrics.get_metrics_data()
        assert data is not None
        return sum(
            point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "wiltonos.notifier.duplicates.possible"
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        )

    async def episode(self) -> Episode | None:
        """What the store knows."""
        return await self.store.read(lambda c: digests.episode(c, "ops"))


@pytest.fixture
async def make_rig(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Makes rigs; what they opened is closed at the end."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(total_seconds=5.0))
        metrics = InMemoryMetricReader()
        meter = MeterProvider([metrics]).get_meter("test")
        instruments = Instruments(meter, ["ops"])

        async def make(kind: str) -> Rig:
            clock = ManualClock(fast=True)
            fake: Any = FakeSlack(clock) if kind != "discord_webhook" else FakeDiscord(clock)
            await stack.enter_async_context(fake)
            url = f"sqlite:///{tmp_path}/{kind}.db"
            store = await open_store(url, Planner(routes=(Route("ops"),)))
            stack.push_async_callback(store.close)
            secret = fake.token if kind == "slack" else fake.webhook_url()
            deliverer = build(
                kind=kind,
                name="ops",
                secret=Secret("channel ops: secret", value=secret),
                session=session,
                clock=clock,
                budgets=Budgets(),
                channel=CHANNEL,
                api_url=getattr(fake, "api_url", ""),
            )
            outlet = Outlet(
                "ops",
                chat_of(kind),
                deliverer,
                RenderContext(now=clock.now(), public_url="http://n"),
            )

            def pair(owner: str) -> tuple[ChannelWorker, ChannelDigest]:
                digest = ChannelDigest(
                    outlet=outlet,
                    store=store,
                    clock=clock,
                    owner=owner,
                    instruments=instruments,
                    after_seconds=lambda: AFTER_SECONDS,
                )
                worker = ChannelWorker(
                    outlet=outlet,
                    store=store,
                    clock=clock,
                    owner=owner,
                    instruments=instruments,
                    standing=digest.standing,
                )
                return worker, digest

            return Rig(kind, clock, fake, store, pair, metrics)

        yield make


@pytest.mark.parametrize("kind", KINDS)
async def test_a_storm_has_one_digest_and_critical_ones_come_before_it(
    make_rig: Callable[..., Any], kind: str
) -> None:
    """Posted once, edited while the backlog lasts, closed at its end; and no 429."""
    rig = await make_rig(kind)
    count, critical = 30, ("N005", "N018")
    for number in range(count):
        await rig.accept(f"N{number:03d}", "critical" if number in (5, 18) else "warning")
    worker, digest = rig.make("one")
    await rig.work(worker, digest, lambda: bool(rig.digests))
    before = rig.shown[:-1]
    assert rig.shown[-1] is rig.digests[0]
    assert all(any(f"{name} is wrong" in m.text for m in before) for name in critical)
    # it begins with the oldest that waits: of those that are not critical, the oldest went first
    since = count - (len(before) - len(critical))
    assert f"{since} incidents at once" in rig.digests[0].text
    assert f"{count - len(before)} wait for their own message" in rig.digests[0].text
    ended = [f"N{number:03d}" for number in range(20, 25)]
    for name in ended:
        await rig.accept(name, over=True)
    await rig.work(worker, digest, lambda: "5 ended before" in rig.digests[0].text)
    await rig.work(worker, digest, lambda: "backlog is over" in rig.digests[0].text)
    assert len(rig.digests) == 1
    assert len(rig.shown) == 1 + count - 5
    assert not any(f"{name} is wrong" in m.text for name in ended for m in rig.shown[1:]
                   if m is not rig.digests[0])  # fmt: skip
    assert all(f"{name} is wrong" in rig.digests[0].text for name in ended)
    assert rig.fake.answers[429] == 0
    assert rig.digests[0].pings == frozenset()
    assert await rig.episode() is None
    assert len(rig.digests[0].history) <= 2 + 80 / 20


async def test_what_ended_in_the_digest_is_told_when_it_comes_back(
    make_rig: Callable[..., Any],
) -> None:
    """It gets the message that it did not need before."""
    rig = await make_rig("slack")
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("one")
    await rig.work(worker, digest, lambda: digest.standing.shown)
    await rig.accept("N012", over=True)
    await rig.work(worker, digest, lambda: "backlog is over" in rig.digests[0].text)
    assert not any("N012 is wrong" in message.text for message in rig.shown if
                   message is not rig.digests[0])  # fmt: skip
    await rig.clock.advance(120)
    await rig.accept("N012")
    await rig.work(worker, digest, lambda: len(rig.shown) == MANY + 1)
    assert "N012 is wrong" in rig.shown[-1].text


@pytest.mark.parametrize(("kind", "few"), [("slack", 9), ("discord_webhook", 3)])
async def test_a_short_backlog_has_none(make_rig: Callable[..., Any], kind: str, few: int) -> None:
    """What the limits let through within the time is only posted."""
    rig = await make_rig(kind)
    for number in range(few):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("one")
    await rig.work(worker, digest, lambda: len(rig.shown) == few)
    assert rig.digests == []


async def test_too_many_critical_ones_do_not_keep_the_digest_back(
    make_rig: Callable[..., Any],
) -> None:
    """When they alone take longer than the time, the digest comes at once."""
    rig = await make_rig("slack")
    for number in range(25):
        await rig.accept(f"N{number:03d}", "critical")
    worker, digest = rig.make("one")
    await rig.work(worker, digest, lambda: bool(rig.digests))
    assert len(rig.shown) < 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sent", [True, False])
async def test_a_kill_leaves_one_that_is_kept_true(
    make_rig: Callable[..., Any], kind: str, sent: bool
) -> None:
    """Whoever takes over looks for it, and sends one more where nothing can be looked up."""
    rig = await make_rig(kind)
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("dead")
    waits = await rig.store.read(lambda c: digests.waiting(c, "ops"))
    begun = Episode(waits.first_id, DigestState.SENDING, "dead", digest._lease())
    assert await digest._swap(None, begun)
    if sent:
        await digest.outlet.deliverer.post(await digest._message(begun))
    _, other = rig.make("other")
    await other.look()
    assert await rig.episode() == begun
    await rig.store.release()
    worker, successor = rig.make("next")
    await successor.look()
    await successor.look()
    count = 2 if sent and kind == "discord_webhook" else 1
    assert len(rig.digests) == count
    await rig.work(worker, successor, lambda: "backlog is over" in rig.digests[-1].text)
    assert len(rig.digests) == count
    assert len(rig.shown) == MANY + count
    assert await rig.episode() is None


@pytest.mark.parametrize(("kind", "count"), [("slack", 1), ("discord_webhook", 2)])
async def test_an_unknown_outcome_is_looked_up_or_repeated_once(
    make_rig: Callable[..., Any], kind: str, count: int
) -> None:
    """A cut connection leaves one digest that is kept true; a second one is counted as double."""
    rig = await make_rig(kind)
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("one")
    rig.fake.faults.add(cut_after().on(Operation.POST))
    for _ in range(3):
        await digest.look()
        await rig.clock.advance(30)
    assert len(rig.digests) == count
    assert rig.doubled() == count - 1
    assert digest.standing.shown
    await rig.work(worker, digest, lambda: "backlog is over" in rig.digests[-1].text)
    assert len(rig.digests) == count


async def test_a_second_unknown_outcome_is_the_last(make_rig: Callable[..., Any]) -> None:
    """A chat that cuts every connection is not filled with digests, and nothing is suppressed."""
    rig = await make_rig("discord_webhook")
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("one")
    rig.fake.faults.add(cut_after().on(Operation.POST), cut_after().on(Operation.POST))
    for _ in range(5):
        await digest.look()
        await rig.clock.advance(30)
    assert len(rig.digests) == 2
    assert not digest.standing.shown
    await rig.work(worker, digest, lambda: len(rig.shown) == MANY + 2)
    await digest.look()
    assert await rig.episode() is None


async def test_no_second_one_is_sent_about_a_backlog_that_is_short_now(
    make_rig: Callable[..., Any],
) -> None:
    """By then a reader has the messages themselves."""
    rig = await make_rig("discord_webhook")
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    worker, digest = rig.make("one")
    rig.fake.faults.add(cut_after().on(Operation.POST))
    await digest.look()
    digest.after_seconds = lambda: 3600.0
    await rig.work(worker, digest, lambda: len(rig.shown) == MANY + 1)
    await digest.look()
    assert len(rig.digests) == 1
    assert await rig.episode() is None


async def test_what_passes_is_tried_again_at_the_next_look(make_rig: Callable[..., Any]) -> None:
    """A chat that refuses for a moment only delays the digest."""
    rig = await make_rig("discord_webhook")
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    _, digest = rig.make("one")
    rig.fake.faults.add(answer(503).on(Operation.POST))
    await digest.look()
    assert rig.digests == []
    await rig.clock.advance(2)
    await digest.look()
    await digest.look()
    assert len(rig.digests) == 1
    assert digest.standing.shown


async def test_a_digest_that_somebody_removed_stays_away(make_rig: Callable[..., Any]) -> None:
    """No second one is sent, and what ends from then on gets its own message again."""
    rig = await make_rig("slack")
    for number in range(MANY):
        await rig.accept(f"N{number:03d}")
    _, digest = rig.make("one")
    await digest.look()
    rig.digests[0].deleted = True
    await rig.accept("another")
    for _ in range(3):
        await rig.clock.advance(30)
        await digest.look()
    assert rig.digests == []
    assert not digest.standing.shown


async def test_the_store_counts_what_has_no_message(make_store: Callable[..., Any]) -> None:
    """Alike on both databases: who waits, who ended, and whose state may be changed."""
    store = await make_store(Planner(routes=(Route("ops"),)))
    clock = ManualClock()
    rig = Rig("", clock, None, store)
    for name, severity in (("a", "warning"), ("b", "critical"), ("c", "info")):
        await rig.accept(name, severity)
    waits = await store.read(lambda c: digests.waiting(c, "ops"))
    assert (waits.count, waits.critical) == (3, 1)
    assert await store.read(lambda c: digests.waiting(c, "other")) == digests.Waiting(0, 0, "")
    told = await store.read(lambda c: digests.contents(c, "ops", waits.first_id))
    assert [i.alerts[0].name for i in told.incidents] == ["b", "a", "c"]
    assert (told.waiting, told.ended, told.total) == (3, 0, 3)
    first = Episode(waits.first_id, DigestState.SENDING, "me", 5)
    assert await _change(store, None, first)
    assert not await _change(store, None, replace(first, owner="other"))
    shown = replace(first, state=DigestState.SHOWN, destination="C", message="1.2")
    assert await _change(store, first, shown)
    assert not await _change(store, first, None)
    assert (await rig.episode()) == shown
    assert shown.receipt == Receipt("C", "1.2")
    await store.release()
    assert (await rig.episode()) == replace(shown, lease_until=0)
    assert await _change(store, replace(shown, lease_until=0), None)
    assert await rig.episode() is None
    assert BY_DIGEST == "digest"


async def _change(store: SqlStore, old: Episode | None, new: Episode | None) -> bool:
    return await store.write(lambda c: digests.swap(c, "ops", old, new))
