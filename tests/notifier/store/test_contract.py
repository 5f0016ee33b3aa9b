"""The promises of the store, kept alike on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.deliver.outcome import Receipt
from notifier.deliver.protocol import Operation
from notifier.errors import BusyError
from notifier.incident import Phase, Reason
from notifier.incident.planner import Plan, Planner, Route
from notifier.ingest.payload import parse
from notifier.store import Ingest, SqlStore
from notifier.store.base import (
    Allowance,
    Claim,
    Dead,
    Delivered,
    Doubt,
    Later,
    Lease,
    LetterKind,
    Refused,
    RowState,
)
from notifier.store.letters import DESTINATION_DEAD, KEPT_INGEST_LETTERS
from notifier.store.sql import HEAVIEST_LINE
from notifier.testing.webhooks import Body, alert, encoded, webhook

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECEIPT = Receipt("C1", "123.456", "F9")


def later(seconds: float) -> datetime:
    """So many seconds after the start."""
    return NOW + timedelta(seconds=seconds)


async def accept(store: SqlStore, body: Body, seconds: float = 0) -> Plan:
    """Commit a webhook at that second."""
    raw = encoded(body)
    return await store.accept(Ingest(parse(raw), raw, later(seconds)))


async def claim(
    store: SqlStore, channel: str = "slack", seconds: float = 0, **more: Any
) -> Claim | None:
    """Claim for a minute."""
    return await store.claim(channel, Lease("me", later(seconds), 60), Allowance(**more))


async def claimed(store: SqlStore, channel: str = "slack", seconds: float = 0) -> Claim:
    """Claim what is known to be there."""
    found = await claim(store, channel, seconds)
    assert found is not None
    return found


async def deliver(store: SqlStore, found: Claim, seconds: float = 0) -> None:
    """Settle as the worker does after a success."""
    revision = found.incident.revision
    done = Delivered(revision, max(found.ring_revision, revision), RECEIPT)
    assert await store.settle(found, done, later(seconds))


def firing(name: str = "A", **more: Any) -> Body:
    """A group of its own with one alert."""
    return webhook(alert(name, starts_at=NOW, **more), group_key=f"group {name}")


def resolved(name: str = "A", end: float = 60) -> Body:
    """The end of the same."""
    over = alert(name, starts_at=NOW, ends_at=later(end))
    return webhook(over, group_key=f"group {name}")


async def test_a_webhook_becomes_an_incident_and_a_row_per_channel(store: SqlStore) -> None:
    """All of it is there once accept has returned."""
    plan = await accept(store, firing(severity="critical"))
    views, cursor = await store.incidents()
    assert cursor is None
    assert views[0].incident == plan.step.incident
    assert [(row.channel, row.state) for row in views[0].deliveries] == [
        ("discord", RowState.PENDING),
        ("slack", RowState.PENDING),
    ]


async def test_what_is_read_is_what_was_written(store: SqlStore) -> None:
    """Labels and annotations of any text come back as they were."""
    odd = "ü \N{PILE OF POO} \u202e <b> ' \" \\ \n" + "x" * 5000
    plan = await accept(store, webhook(alert(odd, labels={odd[:9]: odd}), group_key=odd * 3))
    assert plan.step.incident is not None
    view = await store.incident(plan.step.incident.id)
    assert view is not None
    assert view.incident == plan.step.incident


async def test_a_line_of_webhooks_keeps_its_order(store: SqlStore) -> None:
    """Webhooks that share a transaction are stepped one after the other."""
    bodies = [firing(), resolved(), firing("B"), resolved("B"), firing("C")]
    plans = await asyncio.gather(*(accept(store, body) for body in bodies))
    assert [plan.step.changed for plan in plans] == [True] * 5
    views, _ = await store.incidents(phase=Phase.FIRING)
    assert [view.incident.key for view in views] == ["group C"]
    found = await claimed(store)
    assert found.incident.key == "group C"


async def test_one_webhook_that_fails_does_not_take_others_with_it(
    make_store: Callable[..., Any],
) -> None:
    """A defect met by one notification leaves its neighbours of the transaction committed."""

    class Broken(Planner):
        def plan(self, incident: Any, notification: Any, now: datetime) -> Plan:
            if notification.group_key == "group bad":
                raise ZeroDivisionError
            return super().plan(incident, notification, now)

    store = await make_store(Broken())
    good, bad, fine = await asyncio.gather(
        accept(store, firing("A")),
        accept(store, firing("bad")),
        accept(store, firing("B")),
        return_exceptions=True,
    )
    assert isinstance(bad, ZeroDivisionError)
    assert isinstance(good, Plan)
    assert isinstance(fine, Plan)
    assert len((await store.incidents())[0]) == 2


async def test_a_full_line_is_refused(make_store: Callable[..., Any]) -> None:
    """Beyond the bound nobody waits: the sender is told to come back."""
    store = await make_store(waiting_line=3)
    ends = await asyncio.gather(
        *(accept(store, firing(f"A{number}")) for number in range(8)), return_exceptions=True
    )
    busy = [end for end in ends if isinstance(end, BusyError)]
    assert len(busy) == 5
    assert len((await store.incidents())[0]) == 3


async def test_a_heavy_line_is_refused(make_store: Callable[..., Any]) -> None:
    """Few webhooks that are large must not fill the memory either; one is always taken."""
    store = await make_store()
    raw = encoded(firing())
    heavy = Ingest(parse(raw), raw.ljust(HEAVIEST_LINE // 2), NOW)
    ends = await asyncio.gather(*(store.accept(heavy) for _ in range(4)), return_exceptions=True)
    assert [isinstance(end, BusyError) for end in ends] == [False, False, True, True]
    heaviest = Ingest(parse(raw), raw.ljust(HEAVIEST_LINE * 2), NOW)
    assert isinstance(await store.accept(heaviest), Plan)


async def test_resolve_before_firing_creates_no_message(store: SqlStore) -> None:
    """What was over before we heard of it is remembered and not announced."""
    await accept(store, resolved())
    assert await claim(store) is None
    await accept(store, firing(), 61)
    assert await claim(store, seconds=61) is None


async def test_a_claim_is_one_process_s_until_the_lease_ends(store: SqlStore) -> None:
    """A second claim finds nothing; after the lease the row is taken over, in doubt."""
    await accept(store, firing())
    first = await claimed(store)
    assert first.operation is Operation.POST
    assert await claim(store, seconds=59) is None
    second = await claimed(store, seconds=61)
    assert second.doubt == Doubt(Operation.POST, 1)


async def test_a_claim_that_nobody_heard_of_can_be_let_go(store: SqlStore) -> None:
    """Its row is free at once, and in doubt; other owners and channels keep theirs."""
    await accept(store, firing())
    first = await claimed(store)
    assert await store.let_go("discord", first.owner) == 0
    assert await store.let_go("slack", "other") == 0
    assert await claim(store) is None
    assert await store.let_go("slack", first.owner) == 1
    assert (await claimed(store)).doubt == Doubt(Operation.POST, 1)


async def test_a_lost_lease_cannot_settle(store: SqlStore) -> None:
    """Whoever was too slow learns it, and changes nothing."""
    await accept(store, firing())
    slow = await claimed(store)
    quick = await store.claim("slack", Lease("other", later(61), 60))
    assert quick is not None
    assert not await store.settle(slow, Delivered(1, 1, RECEIPT), later(62))
    assert await store.settle(quick, Delivered(1, 1, RECEIPT), later(62))


async def test_a_delivered_row_waits_for_the_next_revision(store: SqlStore) -> None:
    """Posted once, edited on every change, from the newest revision."""
    await accept(store, firing())
    await deliver(store, await claimed(store))
    assert await claim(store) is None
    await accept(store, resolved(), 60)
    edit = await claimed(store, seconds=60)
    assert edit.operation is Operation.EDIT
    assert edit.receipt == RECEIPT
    assert edit.incident.phase is Phase.RESOLVED
    await deliver(store, edit, 60)
    view = await store.incident(edit.incident.id)
    assert view is not None
    row = view.deliveries[1]
    assert (row.state, row.revision, row.receipt) == (RowState.DELIVERED, 2, RECEIPT)


async def test_news_during_an_attempt_is_not_lost(store: SqlStore) -> None:
    """A revision that arrives between claim and settlement is delivered next."""
    await accept(store, firing())
    busy = await claimed(store)
    await accept(store, resolved(), 60)
    await deliver(store, busy, 61)
    after = await claimed(store, seconds=61)
    assert (after.operation, after.delivered_revision) == (Operation.EDIT, 1)
    assert after.incident.revision == 2


async def test_a_new_alert_rings_once_after_the_edit(store: SqlStore) -> None:
    """The living message is edited first, then a reply rings, then all is quiet."""
    await accept(store, firing())
    await deliver(store, await claimed(store))
    both = webhook(alert("A"), alert("B", severity="critical"), group_key="group A")
    await accept(store, both, 10)
    edit = await claimed(store, seconds=10)
    assert edit.operation is Operation.EDIT
    await store.settle(edit, Delivered(2, edit.rung_revision, RECEIPT), later(10))
    reply = await claimed(store, seconds=10)
    assert reply.operation is Operation.REPLY
    assert reply.reasons == {Reason.NEW_ALERT, Reason.WORSE}
    await store.settle(reply, Delivered(2, 2, RECEIPT), later(10))
    assert await claim(store, seconds=10) is None


async def test_critical_goes_first_and_what_is_over_last(store: SqlStore) -> None:
    """The order of claims is by severity, not by arrival."""
    for name, severity in (("i", "info"), ("w", "warning"), ("c", "critical"), ("o", "critical")):
        await accept(store, firing(name, severity=severity))
    over = alert("o", severity="critical", starts_at=NOW, ends_at=later(1))
    await accept(store, webhook(over, group_key="group o"), 1)
    order = [(await claimed(store, seconds=1)).incident.key for _ in range(4)]
    assert order == ["group c", "group w", "group i", "group o"]


async def test_budgets_decide_what_may_be_claimed(store: SqlStore) -> None:
    """Kept-back budgets go to critical rows; an operation without a budget is left."""
    await accept(store, firing("w"))
    await accept(store, firing("c", severity="critical"))
    nothing: frozenset[Operation] = frozenset()
    posts = frozenset({Operation.POST})
    assert await claim(store, normal=nothing, urgent=frozenset({Operation.EDIT})) is None
    found = await claim(store, normal=nothing, urgent=posts)
    assert found is not None
    assert found.incident.key == "group c"
    assert found.urgent
    assert await claim(store, normal=nothing, urgent=posts) is None
    assert await claim(store, normal=posts, urgent=posts) is not None


async def test_a_failed_attempt_waits_and_is_counted(store: SqlStore) -> None:
    """It is due again at its time, with the attempts and the reason."""
    await accept(store, firing())
    found = await claimed(store)
    again = Later(later(30), "down", doubt=Doubt(Operation.POST, 1), reposted=True)
    await store.settle(found, again, NOW)
    assert await claim(store, seconds=29) is None
    assert await store.next_due("slack") == later(30)
    found = await claimed(store, seconds=30)
    assert (found.attempts, found.reposts) == (1, 1)
    assert found.doubt == Doubt(Operation.POST, 1)
    view = await store.incident(found.incident.id)
    assert view is not None
    assert view.deliveries[1].last_error == "down"


async def test_news_does_not_shorten_the_wait(store: SqlStore) -> None:
    """A chat that is down is not hammered because things keep happening."""
    await accept(store, firing())
    await store.settle(await claimed(store), Later(later(30), "down"), NOW)
    await accept(store, resolved(), 10)
    assert await claim(store, seconds=29) is None
    assert await store.hurry("slack", later(20)) == 1
    assert (await claimed(store, seconds=20)).incident.revision == 2


async def test_a_lost_message_is_posted_anew(store: SqlStore) -> None:
    """Where the message is gone, the next operation is a post."""
    await accept(store, firing())
    await deliver(store, await claimed(store))
    await accept(store, resolved(), 60)
    edit = await claimed(store, seconds=60)
    await store.settle(edit, Later(later(60), "gone", receipt_lost=True), later(60))
    assert (await claimed(store, seconds=60)).operation is Operation.POST


async def test_a_dead_delivery_can_be_replayed_or_dropped(store: SqlStore) -> None:
    """It stays as a letter until a person decides; a replay makes it due."""
    await accept(store, firing())
    dead = Dead("attempts_exhausted", "HTTP 500", '{"a":1}')
    await store.settle(await claimed(store), dead, NOW)
    assert await claim(store, seconds=9999) is None
    (letter,) = await store.dead_letters()
    assert letter.kind is LetterKind.DELIVERY
    assert (letter.channel, letter.reason, letter.attempts) == ("slack", "attempts_exhausted", 1)
    assert (letter.last_error, letter.payload) == ("HTTP 500", '{"a":1}')
    assert await store.replay(letter.id, NOW)
    assert not await store.replay(letter.id, NOW)
    assert not await store.drop(letter.id)
    assert (await claimed(store)).attempts == 0


async def test_a_letter_goes_when_its_delivery_succeeds_after_all(store: SqlStore) -> None:
    """News revives a dead row; its success leaves no letter that says otherwise."""
    await accept(store, firing())
    await store.settle(await claimed(store), Dead("attempts_exhausted", "x"), NOW)
    await accept(store, resolved(), 60)
    await deliver(store, await claimed(store, seconds=60), 60)
    assert await store.dead_letters() == []


async def test_a_replayed_delivery_is_sent_even_if_it_was_shown(store: SqlStore) -> None:
    """Replaying the letter of a refused payload edits the message once more."""
    await accept(store, firing())
    found = await claimed(store)
    refused = Refused("invalid_blocks", "{}")
    assert await store.settle(found, Delivered(1, 1, RECEIPT), NOW, refused)
    (letter,) = await store.dead_letters()
    assert letter.reason == "payload_refused"
    assert await store.replay(letter.id, NOW)
    assert (await claimed(store)).operation is Operation.EDIT


async def test_a_dead_destination_buries_and_revives_its_rows(store: SqlStore) -> None:
    """Every waiting row becomes a letter; all of them wait again when it is back."""
    for name in "ABC":
        await accept(store, firing(name))
    await claimed(store)
    assert await store.stop_channel("slack", "token_revoked", NOW) == 3
    state = (await store.channel_states())["slack"]
    assert (state.stopped, state.reason, state.since) == (True, "token_revoked", NOW)
    letters = await store.dead_letters()
    assert {letter.reason for letter in letters} == {DESTINATION_DEAD}
    assert (await store.backlog()).pending == {"discord": 3}
    assert await store.stop_channel("slack", "token_revoked", NOW) == 0
    assert await store.resume_channel("slack", later(61)) == 3
    assert await store.dead_letters() == []
    assert (await store.backlog()).pending == {"discord": 3, "slack": 3}
    assert "slack" not in await store.channel_states()


async def test_a_stopped_channel_is_probed_with_a_buried_row(store: SqlStore) -> None:
    """Only a probe takes rows that died with their destination."""
    await accept(store, firing())
    await store.stop_channel("slack", "invalid_auth", NOW)
    assert await claim(store) is None
    probe = await claim(store, probing=True)
    assert probe is not None
    await deliver(store, probe)
    assert await store.dead_letters() == []


async def test_a_pause_outlives_the_process(store: SqlStore) -> None:
    """A long wait that a chat demanded is known after a restart."""
    await store.pause_channel("slack", later(300), "edge_ban")
    state = (await store.channel_states())["slack"]
    assert (state.stopped, state.not_before) == (False, later(300))


async def test_refused_bodies_are_kept_within_a_bound(store: SqlStore) -> None:
    """Rubbish cannot fill the database; the newest stays."""
    for number in range(3):
        await store.add_ingest_letter("json", f"not JSON {number}", "x\0y", later(number))
    letters = await store.dead_letters()
    assert [letter.last_error[-1] for letter in letters] == ["2", "1", "0"]
    assert letters[0].kind is LetterKind.INGEST
    assert letters[0].incident_id is None
    await asyncio.gather(
        *(
            store.add_ingest_letter("json", f"{number}", "x" * 10, NOW)
            for number in range(KEPT_INGEST_LETTERS)
        )
    )
    assert (await store.backlog()).dead_letters == {"ingest": KEPT_INGEST_LETTERS}


async def test_pages_follow_each_other(store: SqlStore) -> None:
    """The newest come first, and the cursor leads to what follows, whatever is added."""
    for number in range(5):
        await accept(store, firing(f"A{number}"))
    first, cursor = await store.incidents(limit=2)
    await accept(store, firing("new"))
    second, cursor = await store.incidents(limit=2, cursor=cursor)
    last, end = await store.incidents(limit=2, cursor=cursor)
    keys = [view.incident.key[-2:] for view in (*first, *second, *last)]
    assert keys == ["A4", "A3", "A2", "A1", "A0"]
    assert end is None
    assert (await store.incidents(phase=Phase.RESOLVED))[0] == []


async def test_the_backlog_tells_since_when(store: SqlStore) -> None:
    """The age counts from the first revision that is not delivered."""
    await accept(store, firing())
    await accept(store, resolved(), 60)
    backlog = await store.backlog()
    assert backlog.pending == {"slack": 1, "discord": 1}
    assert backlog.oldest == NOW


async def test_old_and_oversized_is_removed_and_what_lives_stays(store: SqlStore) -> None:
    """Neither a firing incident nor one that waits to be delivered is ever removed."""
    await accept(store, firing("lives"))
    await accept(store, firing("waits"))
    await accept(store, resolved("waits"))
    for name in ("old", "new"):
        seconds = 0 if name == "old" else 5000
        await accept(store, firing(name), seconds)
        await accept(store, resolved(name), seconds)
    for channel in ("slack", "discord"):
        for name in ("waits", "new", "old"):
            found = await claimed(store, channel, 5000)
            while found.incident.key == "group lives":
                found = await claimed(store, channel, 5000)
            if found.incident.key == "group waits":
                continue
            await deliver(store, found, 5000)
            assert name
    assert await store.prune(later(1000), 10**9) == 1
    keys = {view.incident.key for view in (await store.incidents())[0]}
    assert keys == {"group lives", "group waits", "group new"}
    assert await store.prune(later(1000), 10) == 1
    keys = {view.incident.key for view in (await store.incidents())[0]}
    assert keys == {"group lives", "group waits"}


async def test_meta_values_are_remembered(store: SqlStore) -> None:
    """The last value counts."""
    assert await store.read_meta("k") is None
    await store.write_meta("k", "1")
    await store.write_meta("k", "2")
    assert await store.read_meta("k") == "2"


async def test_routes_decide_which_channels_get_a_row(make_store: Callable[..., Any]) -> None:
    """A channel gets an incident if any of its alerts has one of the values of every label."""
    store = await make_store(
        Planner(routes=(Route("crit", {"severity": ("critical",)}), Route("all")))
    )
    await accept(store, firing())
    assert await claim(store, "crit") is None
    both = webhook(alert("A"), alert("B", severity="critical"), group_key="group A")
    await accept(store, both, 1)
    assert (await claimed(store, "crit", 1)).operation is Operation.POST


async def test_rows_of_channels_that_are_gone_are_closed(store: SqlStore) -> None:
    """A channel removed from the configuration leaves no backlog behind."""
    await accept(store, firing())
    assert await store.retire_channels(["discord"], NOW) == 1
    assert (await store.backlog()).pending == {"discord": 1}


async def test_everything_survives_a_restart(make_store: Callable[..., Any]) -> None:
    """Another store on the same database goes on where the first one ended."""
    first = await make_store()
    plan = await accept(first, firing())
    await claimed(first)
    await first.close()
    second = await make_store()
    assert plan.step.incident is not None
    view = await second.incident(plan.step.incident.id)
    assert view is not None
    assert view.incident == plan.step.incident
    assert await second.release() == 1
    assert (await claimed(second)).doubt == Doubt(Operation.POST, 1)


@pytest.mark.parametrize("number", [300])
async def test_many_webhooks_at_once_are_all_kept(store: SqlStore, number: int) -> None:
    """More than one transaction takes, with repetitions among them."""
    bodies = [firing(f"A{index % (number - 50)}") for index in range(number)]
    plans = await asyncio.gather(*(accept(store, body) for body in bodies))
    assert sum(plan.step.changed for plan in plans) == number - 50
    assert (await store.backlog()).pending["slack"] == number - 50


async def test_settling_keeps_what_it_does_not_concern(store: SqlStore) -> None:
    """A settlement of one channel leaves the other alone."""
    await accept(store, firing())
    await deliver(store, await claimed(store))
    other = await claimed(store, "discord")
    assert replace(other, channel="slack").receipt is None
