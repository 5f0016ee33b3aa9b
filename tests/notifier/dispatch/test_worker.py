"""The whole way from a webhook to the chats, for every end that an attempt can have."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.clock import SystemClock
from notifier.deliver.outcome import Outcome, OutcomeKind
from notifier.deliver.protocol import Operation
from notifier.dispatch.gate import HANG_SECONDS
from notifier.errors import StoreError
from notifier.testing import (
    FaultKind,
    answer,
    cut_after,
    cut_before,
    discord_error,
    hang_after,
    hang_before,
    rate_limited,
    slack_error,
)
from notifier.testing.webhooks import Body, alert, webhook
from tests.notifier.conftest import DISCORD, SLACK

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def firing(*names: str, **more: Any) -> Body:
    """One group in which these alerts fire."""
    return webhook(*(alert(name, starts_at=START, **more) for name in names or ("A",)))


def resolved(*names: str) -> Body:
    """The same group, over."""
    ends = [alert(n, starts_at=START, ends_at=END) for n in names or ("A",)]
    return webhook(*ends)


async def test_one_living_message_per_incident_and_channel(start: Callable[..., Any]) -> None:
    """Posted once and edited to its end, on both chats."""
    run = await start()
    await run.post(firing())
    await run.delivered()
    await run.post(resolved())
    await run.delivered()
    for shown in (run.slack_messages(), run.discord.shown()):
        assert len(shown) == 1
        assert shown[0].edits == 1
        assert "Resolved" in shown[0].text


async def test_a_new_alert_rings_beside_the_message(start: Callable[..., Any]) -> None:
    """The message is edited, and one reply says what is new."""
    run = await start()
    await run.post(firing("A"))
    await run.delivered()
    both = webhook(alert("A", starts_at=START), alert("B", severity="critical", starts_at=START))
    await run.post(both)
    await run.delivered()
    (living,) = run.slack_messages()
    (reply,) = run.slack_replies()
    assert reply.thread == living.id
    assert "B" in reply.text
    assert len(run.discord.shown()) == 2


async def test_a_channel_that_cannot_edit_posts_what_matters(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """Open, worse and resolved are posted; an alert that joins quietly is not."""
    run = await start(texts["hook"])
    for body in (firing("A"), firing("A", "B")):
        await run.post(body)
        await run.delivered()
    await run.post(webhook(alert("C", severity="critical", starts_at=START)))
    await run.delivered()
    await run.post(webhook(*resolved("A", "B")["alerts"]))
    await run.delivered()
    ended = alert("C", severity="critical", starts_at=START, ends_at=END)
    await run.post(webhook(ended))
    await run.delivered()
    texts_shown = [message.text for message in run.slack_messages()]
    assert len(texts_shown) == 3
    assert "Resolved" in texts_shown[-1]


@pytest.mark.parametrize(
    "fault",
    [answer(500), answer(503), cut_before(), rate_limited("0"), slack_error("internal_error")],
)
async def test_what_passes_is_tried_again(start: Callable[..., Any], fault: Any) -> None:
    """Trouble on the other side delays a message and loses none."""
    run = await start()
    run.slack.faults.add(fault)
    await run.post(firing())
    await run.delivered()
    assert len(run.slack_messages()) == 1
    assert "fake-token" not in str(await run.get("/api/v1/incidents"))


async def test_one_post_at_a_time_where_a_lost_one_cannot_be_looked_up(
    start: Callable[..., Any], eventually: Callable[..., Awaitable[None]]
) -> None:
    """Discord has one under way until that hangs, so that a kill doubles one; Slack has more.

    However many channels Discord has.
    """
    run = await start(SLACK + DISCORD + DISCORD.replace('"discord"', '"discord-too"'))
    for chat in (run.slack, run.discord):
        chat.faults.always("away", hang_before())
    for name in "ABC":
        await run.post(webhook(alert(name, starts_at=START), group_key=name))

    def begun(chat: Any) -> int:
        return int(chat.faults.met[FaultKind.HANG_BEFORE, Operation.POST])

    def posts(chat: Any, count: int) -> Callable[[], Awaitable[bool]]:
        async def it_has() -> bool:
            return begun(chat) >= count

        return it_has

    clock = SystemClock()
    await eventually(posts(run.discord, 1))
    first = clock.monotonic()
    await eventually(posts(run.slack, 3))
    assert begun(run.discord) == 1
    await eventually(posts(run.discord, 2))
    assert clock.monotonic() - first > HANG_SECONDS / 2


class _SetClock(SystemClock):
    """The clock of a machine that somebody has set."""

    ahead = timedelta(hours=5)

    def now(self) -> datetime:
        """Ahead of the real time."""
        return super().now() + self.ahead


@pytest.mark.parametrize("restart", [False, True])
async def test_a_clock_that_is_set_back_holds_no_message_up(
    start: Callable[..., Any],
    texts: dict[str, str],
    eventually: Callable[..., Awaitable[None]],
    *,
    restart: bool,
) -> None:
    """What was to be tried again in a second is, and not five hours later."""
    clock = _SetClock()
    run = await start(texts["slack"], clock=clock)
    run.slack.faults.chance(1.0, answer(500))
    await run.post(firing())

    async def tried() -> bool:
        (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
        return bool(incident["deliveries"][0]["attempts"])

    await eventually(tried)
    if restart:
        await run.end()
    clock.ahead = timedelta(0)
    run.slack.faults.clear()
    if restart:
        run = await start(texts["slack"], clock=clock)
    await run.delivered()
    assert len(run.slack_messages()) == 1


async def test_a_message_of_unknown_outcome_is_found_again(start: Callable[..., Any]) -> None:
    """Slack's bot looks for its own marker before it posts again."""
    run = await start()
    run.slack.faults.add(cut_after().on(Operation.POST))
    await run.post(firing())
    await run.delivered()
    assert len(run.slack_messages()) == 1


async def test_a_plain_hook_posts_again_and_counts_it(start: Callable[..., Any]) -> None:
    """Where nothing can be looked up, the duplicate is possible and counted."""
    run = await start()
    run.discord.faults.add(cut_after().on(Operation.POST))
    await run.post(firing())
    await run.delivered()
    assert len(run.discord.shown()) == 2
    async with run.http.get(f"{run.base}/metrics") as response:
        page = await response.text()
    assert 'duplicates_possible_total{channel="discord"} 1.0' in page


async def test_a_reply_that_may_have_arrived_is_looked_for_in_its_thread(
    start: Callable[..., Any],
) -> None:
    """Slack can be asked: nobody is rung twice for one thing, and once for what came later."""
    run = await start(SLACK)
    await run.post(firing("A"))
    await run.delivered()
    run.slack.faults.add(cut_after().on(Operation.REPLY))
    await run.post(firing("A", "B", severity="critical"))
    await run.delivered()
    assert len(run.slack_replies()) == 1
    await run.post(firing("A", "B", "C", severity="critical"))
    await run.delivered()
    assert ["C is" in reply.text for reply in run.slack_replies()] == [False, True]


async def test_a_message_that_is_gone_is_posted_anew(start: Callable[..., Any]) -> None:
    """Somebody deleted it: the end is shown all the same, and later edits find the new one."""
    run = await start()
    await run.post(firing("A", "B"))
    await run.delivered()
    for message in (*run.slack_messages(), *run.discord.shown()):
        message.deleted = True
    await run.post(webhook(*resolved("A")["alerts"], *firing("B")["alerts"]))
    await run.delivered()
    await run.post(resolved("B"))
    await run.delivered()
    for shown in (run.slack_messages(), run.discord.shown()):
        assert len(shown) == 1
        assert "Resolved" in shown[0].text


async def test_a_refused_payload_is_said_plainly_at_once(start: Callable[..., Any]) -> None:
    """The reader sees the plain form; the refused one is kept for whoever mends it."""
    run = await start()
    run.slack.faults.add(slack_error("invalid_blocks"))
    run.discord.faults.add(discord_error(400, 50035, "Invalid Form Body"))
    await run.post(firing())
    await run.delivered()
    assert len(run.slack_messages()) == len(run.discord.shown()) == 1
    letters = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    assert {letter["reason"] for letter in letters} == {"payload_refused"}
    assert {letter["channel"] for letter in letters} == {"slack", "discord"}
    whole = await run.get(f"/api/v1/dead-letters/{letters[0]['id']}")
    assert "A is wrong" in whole["payload"]


async def test_a_dead_destination_stops_is_told_on_the_other_chat_and_resumes(
    start: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """Degraded, not unready; dead letters, not losses; back when the secret's file changes."""
    run = await start()
    run.discord.faults.always("gone", discord_error(404, 10015, "Unknown Webhook"))
    await run.post(firing())

    async def told() -> bool:
        return any("discord" in message.text for message in run.slack_messages())

    await eventually(told)
    ready = await run.get("/-/ready")
    assert ready["status"] == "ready"
    assert "discord: destination dead" in ready["degraded"][0]
    letters = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    assert {(each["channel"], each["reason"]) for each in letters} == {
        ("discord", "destination_dead")
    }
    run.discord.faults.clear()
    (run.directory / "discord_url").write_text(run.discord.webhook_url() + "\n")
    await run.delivered(2)

    async def well() -> bool:
        return bool((await run.get("/-/ready"))["degraded"] == [])

    await eventually(well)
    assert (await run.get("/api/v1/dead-letters"))["dead_letters"] == []
    assert any("A is wrong" in message.text for message in run.discord.shown())


async def test_a_dead_destination_is_told_and_ended_once_the_database_takes_it(
    start: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """Neither is forgotten because it could not be committed at first."""
    run = await start()
    worker, announcer = run.service.channels.workers["discord"], run.service.announcer
    take = announcer.take

    async def fail(_ingest: Any) -> None:
        raise StoreError("away")

    ends = {
        OutcomeKind.DESTINATION_DEAD: "cannot be reached",
        OutcomeKind.DELIVERED: "Resolved",
    }
    for kind, words in ends.items():
        known = await run.service.store.channel_states()
        announcer.take = fail
        with pytest.raises(StoreError):
            await worker._learn(Outcome(kind, detail="gone"))
        # a process that ends now leaves it to the next one
        assert await run.service.store.channel_states() == known
        announcer.take = take
        await worker._learn(Outcome(kind, detail="gone"))
        assert await run.service.store.channel_states() != known

        async def told(words: str = words) -> bool:
            return any(words in message.text for message in run.slack_messages())

        await eventually(told)


async def test_a_burst_collapses_to_its_newest_state(
    start: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """What changed while the chat was down arrives as one message, in its last form."""
    run = await start()
    run.slack.faults.always("down", answer(503))
    await run.post(firing())
    for names in (("A", "B"), ("A", "B", "C")):
        await run.post(firing(*names))
    await run.post(resolved("A", "B", "C"))

    async def down() -> bool:
        return any("slack" in line for line in (await run.get("/-/ready"))["degraded"])

    await eventually(down)
    run.slack.faults.always("down", None)
    await run.delivered()
    (message,) = run.slack_messages()
    assert (message.edits, "Resolved" in message.text) == (0, True)
    assert run.slack_replies() == []


async def test_no_secret_leaves_the_service(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither pages nor logs hold a token or an address, whatever goes wrong."""
    run = await start()
    for fault in (answer(500, "x"), cut_before(), slack_error("invalid_blocks")):
        run.slack.faults.add(fault)
        run.discord.faults.add(fault)
    await run.post(firing())
    await run.delivered()
    pages = [caplog.text]
    for path in ("/api/v1/incidents", "/api/v1/dead-letters", "/metrics", "/-/ready", "/"):
        async with run.http.get(run.base + path) as response:
            pages.append(await response.text())
    hook = run.discord.webhook_url().rpartition("/")[2]
    for page in pages:
        assert run.slack.token not in page
        assert hook not in page


async def test_a_stop_while_a_chat_hangs_is_bounded_and_loses_nothing(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """Gone within 10 s; the next start finds the message that had arrived all the same."""
    run = await start(texts["slack"])
    run.slack.faults.add(hang_after().on(Operation.POST))
    await run.post(firing())

    async def arrived() -> bool:
        return len(run.slack_messages()) == 1

    await eventually(arrived)
    async with asyncio.timeout(10):
        await run.end()
    again = await start(texts["slack"])
    await again.delivered()
    assert len(again.slack_messages()) == 1
