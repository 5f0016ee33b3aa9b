"""What networks and stopped servers do to the store on PostgreSQL: every wait has its bound."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text

from notifier.deliver.outcome import Receipt
from notifier.errors import StoreError
from notifier.incident.planner import Planner, Route
from notifier.ingest.payload import parse
from notifier.store import Ingest, SqlStore, charts, digests
from notifier.store.accepting import lock
from notifier.store.base import Delivered, Lease
from notifier.store.migrate import migrate
from notifier.testing.webhooks import alert, encoded, webhook
from tests.notifier.network import Network, network

pytest.importorskip("asyncpg")

from notifier.store.postgresql import Postgresql, open_postgresql
from notifier.store.watched import BYTES_PER_SECOND, Patience

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=9)
# short, but long enough for a busy machine that has to do what is bounded
QUICK = Patience(
    free=4.0, connect=2.0, ping=0.5, fresh=0.0, lock=1.0, answer=1.5, open=2.0, long=3.0
)
HURRIED = 10.0
SILENT = f"has not answered for {QUICK.answer:g} s"
UNCONNECTED = f"no connection within {QUICK.connect:g} s"


@dataclass
class Far:
    """A server behind a network.

    Attributes:
        near: its URL without the network.
        url: its URL through the network.
        carrier: the network.
        stores: what was opened, to be closed; and their databases.
    """

    near: str
    url: str
    carrier: Network
    stores: list[SqlStore] = field(default_factory=list)
    databases: list[Postgresql] = field(default_factory=list)

    async def open(self, patience: Patience = QUICK) -> SqlStore:
        """A store on it, through the network."""
        return self._keep(await open_postgresql(self.url, patience))

    async def beside(self) -> SqlStore:
        """A store on it, past the network."""
        return self._keep(await open_postgresql(self.near))

    def _keep(self, database: Postgresql) -> SqlStore:
        self.databases.append(database)
        self.stores.append(SqlStore(database, Planner(routes=(Route("slack"),)), waiting_line=64))
        return self.stores[-1]


@pytest.fixture
async def far(database_url: str) -> AsyncIterator[Far]:
    """An empty database behind a network."""
    parsed = make_url(database_url)
    async with network(parsed.port or 0) as carrier:
        url = parsed.set(port=carrier.port).render_as_string(hide_password=False)
        made = Far(database_url, url, carrier)
        yield made
        carrier.heal()
        for store in made.stores:
            await store.close()


pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def ingest(name: str = "A", group: str = "group", size: int = 0) -> Ingest:
    """A webhook with one alert."""
    story = {"story": "x" * size}
    raw = encoded(webhook(alert(name, annotations=story, starts_at=NOW), group_key=group))
    return Ingest(parse(raw), raw, NOW)


async def bounded(work: Awaitable[Any]) -> Any:
    """What it brings; far sooner than TCP would give up."""
    async with asyncio.timeout(HURRIED):
        return await work


async def fails(work: Awaitable[Any], reason: str) -> None:
    """It ends in time, and says why."""
    with pytest.raises(StoreError, match=reason):
        await bounded(work)


async def names(store: SqlStore) -> set[str]:
    """The alerts that the store knows."""
    views, _ = await store.incidents()
    return {each.name for view in views for each in view.incident.firing}


def sleep(seconds: float) -> Callable[[Connection], None]:
    """Work that the server takes so long for."""

    def work(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_sleep({seconds})"))

    return work


LOSSES = [{"down": False}, {"up": False}, {}]
IDS = ["up", "down", "both"]


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
async def test_an_idle_connection_that_was_lost_costs_no_webhook(
    far: Far, loss: dict[str, bool]
) -> None:
    """A firewall has forgotten it: the webhook is committed over a new one, at once."""
    store = await far.open()
    await store.accept(ingest("A"))
    far.carrier.lose(**loss)
    accepting = store.accept(ingest("B"))
    task = asyncio.ensure_future(accepting)
    await far.carrier.lost.wait()
    far.carrier.heal()
    await bounded(task)
    assert await names(store) == {"A", "B"}


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
async def test_a_connection_that_is_lost_in_a_transaction_is_given_up(
    far: Far, loss: dict[str, bool]
) -> None:
    """Its webhook is refused with the reason, the next one is committed; nothing is half done."""
    store = await far.open(replace(QUICK, fresh=60.0))
    await store.accept(ingest("A"))
    far.carrier.lose(**loss)
    failing = asyncio.ensure_future(store.accept(ingest("B")))
    await far.carrier.lost.wait()
    far.carrier.heal()
    await fails(failing, SILENT)
    await bounded(store.accept(ingest("C")))
    assert await names(store) == {"A", "C"}


async def test_a_commit_whose_answer_was_lost_may_be_repeated(far: Far) -> None:
    """The webhook is refused though it is committed: it comes again, and changes nothing more."""
    store = await far.open()
    far.carrier.lose_answer_to(b"COMMIT")
    failing = asyncio.ensure_future(store.accept(ingest("A")))
    await far.carrier.lost.wait()
    far.carrier.heal()
    await fails(failing, SILENT)
    assert await names(store) == {"A"}
    again = await bounded(store.accept(ingest("A")))
    assert not again.step.changed
    (view,), _ = await store.incidents()
    assert view.incident.revision == 1


async def test_a_connection_that_is_reset_is_replaced(far: Far) -> None:
    """Idle ones cost nothing; one in a transaction costs that transaction."""
    store = await far.open(replace(QUICK, fresh=60.0))
    await store.accept(ingest("A"))
    far.carrier.cut()
    for _ in range(20):
        # the ends arrive
        await far.databases[0].beside.run(asyncio.sleep(0))
    await store.accept(ingest("B"))
    sleeping = asyncio.ensure_future(store.write(sleep(60)))
    await _until_asleep(await far.beside())
    far.carrier.cut()
    await fails(sleeping, "was lost: connection was closed")
    await bounded(store.accept(ingest("C")))
    assert await names(store) == {"A", "B", "C"}


async def _until_asleep(store: SqlStore) -> None:
    """Wait until the server sleeps for somebody."""
    asleep = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    async with asyncio.timeout(HURRIED):
        while not await store.read(lambda c: c.execute(asleep).scalar_one()):  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.01)


async def _lost_in_a_transaction(far: Far, store: SqlStore) -> None:
    """Leave a session on the server that holds the rows and the lock of ``ingest()``."""
    await store.accept(ingest("A"))
    digest = Planner().identify(ingest().notification).digest

    def work(connection: Connection) -> None:
        lock(connection, [digest])
        connection.execute(text("UPDATE incidents SET revision = revision"))
        connection.execute(text("UPDATE outbox SET priority = priority"))
        far.carrier.lose()
        connection.execute(text("SELECT 1"))

    await fails(store.write(work), SILENT)


async def test_what_a_lost_session_holds_is_freed_by_the_next_connection(far: Far) -> None:
    """The server would notice much later; the next connection ends the session there."""
    store = await far.open(replace(QUICK, open=60.0, long=60.0, peer=60.0))
    await _lost_in_a_transaction(far, store)
    far.carrier.heal()
    await bounded(store.accept(ingest("B")))
    assert await names(store) == {"A", "B"}


async def test_what_a_dead_replica_holds_is_freed_by_the_server(far: Far) -> None:
    """Nobody can end its session: the server does, when the transaction does not go on."""
    await _lost_in_a_transaction(far, await far.open())
    other = await far.beside()
    async with asyncio.timeout(HURRIED):
        while True:
            try:
                await other.accept(ingest("B"))
                break
            except StoreError as error:
                assert "lock timeout" in str(error)  # noqa: PT017 - some fail until then
    assert await names(other) == {"A", "B"}


async def test_a_server_that_refuses_is_away_for_the_whole_line(far: Far) -> None:
    """Nobody in the line is at fault: it is not tried one by one."""
    store = await far.open()
    far.carrier.cut()
    far.carrier.refuse()
    tried = far.carrier.refused
    accepting = [asyncio.ensure_future(store.accept(ingest(str(n)))) for n in range(50)]
    found = await bounded(asyncio.gather(*accepting, return_exceptions=True))
    assert {type(each).__name__ for each in found} == {"AwayError"}
    assert "cannot be reached" in str(found[0])
    assert far.carrier.refused - tried < 10
    far.carrier.heal()
    await bounded(store.accept(ingest("B")))
    assert await names(store) == {"B"}


async def test_a_stopped_server_is_given_up_and_taken_back(far: Far) -> None:
    """Stopped, it takes connections and never answers; what it was not asked for never happens."""
    store = await far.open()
    await store.accept(ingest("A"))
    pid: int = await store.read(lambda c: c.execute(text("SELECT pg_backend_pid()")).scalar_one())
    with stopped(pid):
        await fails(store.accept(ingest("B")), UNCONNECTED)
        await fails(store.read_meta("x"), UNCONNECTED)
    await bounded(store.accept(ingest("C")))
    assert await names(store) == {"A", "C"}


@contextmanager
def stopped(backend: int) -> Iterator[None]:
    """Stop a whole server, of which this is a process, for the length of the block."""
    postmaster = _parent(backend)
    every = [postmaster, *(each for each in _processes() if _parent(each) == postmaster)]
    for each in every:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in every:
            os.kill(each, signal.SIGCONT)


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _parent(process: int) -> int:
    try:
        said = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        # it has ended meanwhile
        return 0
    return int(said.rpartition(")")[2].split()[1])


def owned(name: str) -> Lease:
    """A lease of that worker."""
    return Lease(name, NOW, 60)


Work = Callable[[SqlStore], Awaitable[object]]


async def settling(beside: SqlStore) -> Work:
    """Say of a row that is claimed that it is delivered."""
    claimed = await beside.claim("slack", owned("me"))
    assert claimed is not None
    return lambda store: store.settle(claimed, Delivered(1, 1, Receipt("C", "1")), NOW)


async def claiming(_beside: SqlStore) -> Work:
    """Take a row."""
    return lambda store: store.claim("slack", owned("me"))


async def digesting(_beside: SqlStore) -> Work:
    """Begin the digest of a channel."""
    made = digests.Episode("1", digests.DigestState.SENDING, "me", 0)
    return lambda store: store.write(lambda c: digests.swap(c, "slack", None, made))


async def charting(beside: SqlStore) -> Work:
    """Take up the charts of an incident."""
    done = await settling(beside)
    assert await done(beside)
    return lambda store: store.write(lambda c: charts.take(c, ["slack"], NOW))


async def pruning(_beside: SqlStore) -> Work:
    """Remove what is old."""
    return lambda store: store.prune(LATER, 0)


async def looking(_beside: SqlStore) -> Work:
    """Ask what waits."""
    return lambda store: store.backlog()


@pytest.mark.parametrize(
    "prepare", [settling, claiming, digesting, charting, pruning, looking], ids=lambda f: f.__name__
)
async def test_whatever_meets_a_lost_connection_fails_in_time_and_works_again(
    far: Far, prepare: Callable[[SqlStore], Awaitable[Work]]
) -> None:
    """Workers, digests, charts and retention go on as soon as there is a connection."""
    beside = await far.beside()
    await beside.accept(ingest())
    work = await prepare(beside)
    store = await far.open(replace(QUICK, fresh=60.0, long=0.5))
    far.carrier.lose(up=False)
    await fails(work(store), "has not answered")
    far.carrier.heal()
    result = await bounded(work(store))
    assert result is not None
    assert result is not False


async def test_a_reader_that_goes_away_leaves_no_connection_behind(far: Far) -> None:
    """It does not wait for the server either, and what it left is not used again."""
    store = await far.open(replace(QUICK, fresh=60.0, answer=60.0))
    await store.read_meta("x")
    far.carrier.lose()
    reading = asyncio.ensure_future(store.read_meta("x"))
    await far.carrier.lost.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    far.carrier.heal()
    assert await bounded(store.read_meta("x")) is None


async def test_lost_connections_are_closed_without_a_wait(far: Far) -> None:
    """Neither when others take their place, nor at the end."""
    store = await far.open(replace(QUICK, fresh=60.0))
    for _ in range(2):
        await asyncio.gather(*(store.read(sleep(0.1)) for _ in range(4)))
        far.carrier.lose()
        await fails(store.write_meta("x", "y"), SILENT)
        far.carrier.heal()
        # the orderly ends of four would take two seconds each
        async with asyncio.timeout(7.0):
            await asyncio.gather(*(store.read(sleep(0.1)) for _ in range(4)))
    far.carrier.lose()
    async with asyncio.timeout(1.5):
        await store.close()


async def test_stopping_does_not_wait_for_a_server_that_is_away(far: Far) -> None:
    """What waits is told at once, however much it is."""
    store = await far.open()
    far.carrier.lose()
    waiting = [asyncio.ensure_future(store.write_meta("x", "y")) for _ in range(3000)]
    await far.carrier.lost.wait()
    async with asyncio.timeout(HURRIED / 2):
        await store.close()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, StoreError) for each in found)


@pytest.mark.parametrize("how", ["silent", "refuses"])
async def test_a_server_that_is_away_at_the_start_is_one_line(far: Far, how: str) -> None:
    """It says where, and what was met, and does not take longer than the bound."""
    url = make_url(far.url).set(password="hidden").render_as_string(hide_password=False)
    if how == "silent":
        far.carrier.lose()
    else:
        far.carrier.refuse()
    with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{far.carrier.port}/postgres: ") as caught:
        await bounded(open_postgresql(url, QUICK))
    said = str(caught.value)
    assert "the database cannot be reached: " in said
    assert (UNCONNECTED in said) == (how == "silent")
    assert "hidden" not in said
    assert "\n" not in said


async def test_a_lock_that_others_hold_is_named(far: Far) -> None:
    """That is no silence: the connection is kept."""
    store, other = await far.open(), await far.beside()
    await store.accept(ingest())
    await other.write_meta("x", "y")
    held, done = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(text("UPDATE meta SET value = value"))
        held.set()
        connection.execute(text("SELECT pg_sleep(4)"))
        done.set()

    holding = asyncio.ensure_future(other.write(hold))
    await asyncio.to_thread(held.wait, HURRIED)
    made = far.carrier.made
    await fails(store.write_meta("x", "z"), "lock timeout")
    assert not done.is_set()
    await holding
    await bounded(store.write_meta("x", "z"))
    assert far.carrier.made == made


async def test_what_takes_long_for_good_reasons_is_let(far: Far) -> None:
    """Computing between two statements, a large webhook, a scan of housekeeping, a migration."""
    store = await far.open(replace(QUICK, open=8.0, long=6.0))
    made = far.carrier.made

    def compute(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        time.sleep(QUICK.answer * 1.3)
        connection.execute(text("SELECT 1"))

    def send(connection: Connection) -> None:
        slowly = text(f"SELECT pg_sleep({QUICK.answer * 1.3}) WHERE :given != ''")
        connection.execute(slowly, {"given": "x" * BYTES_PER_SECOND})

    await store.write(compute)
    await store.write(send)
    await far.databases[0].read(sleep(QUICK.answer * 1.3), patiently=True)
    assert far.carrier.made == made
    await fails(store.read(sleep(QUICK.answer * 2)), SILENT)


async def test_a_replica_that_starts_waits_for_the_migration_of_another(far: Far) -> None:
    """That may take minutes, and is neither a lock too long nor silence."""
    other = await far.beside()
    held = threading.Event()

    def hold(connection: Connection) -> None:
        migrate(connection)
        held.set()
        connection.execute(text(f"SELECT pg_sleep({QUICK.answer * 1.5})"))

    migrating = asyncio.ensure_future(other.write(hold))
    await asyncio.to_thread(held.wait, HURRIED)
    store = await bounded(far.open(replace(QUICK, long=0.5)))
    assert await store.read_meta("x") is None
    await migrating


async def test_a_server_that_does_not_take_writes_is_not_used_again(far: Far) -> None:
    """After a failover it is the one that was left, and the address leads to another by now."""
    store = await far.open()
    await store.write(lambda c: c.execute(text("SET default_transaction_read_only = on")))
    await fails(store.accept(ingest("A")), "read-only")
    await bounded(store.accept(ingest("B")))
    assert await names(store) == {"B"}
