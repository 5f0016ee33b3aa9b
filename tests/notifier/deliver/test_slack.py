"""What only Slack does."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.deliver.factory import build
from notifier.deliver.outcome import OutcomeKind, Receipt
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Chart, Operation, Rendered
from notifier.testing import (
    FakeSlack,
    ManualClock,
    answer,
    cut_after,
    hang_after,
    properly,
    rate_limited,
)
from notifier.testing.slack import CHANNEL
from wiltonos_service.secrets import Secret


def message(text: str, marker: str = "inc:1") -> Rendered:
    """A message of one section."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    return Rendered({"text": text, "blocks": blocks}, {"text": text}, marker)


def bot_of(
    slack: FakeSlack, session: aiohttp.ClientSession, clock: ManualClock, **more: Any
) -> Any:
    """A bot whose clock runs by itself, so that waits take no time."""
    arguments = {"channel": CHANNEL, "api_url": slack.api_url, **more}
    return build(
        kind="slack",
        name="ops",
        secret=Secret("channel ops: token", value=slack.token),
        session=session,
        clock=clock,
        budgets=Budgets(),
        **arguments,
    )


@pytest.fixture
def patient(slack: FakeSlack, session: aiohttp.ClientSession) -> Any:
    """A bot whose sleeps move its own clock."""
    return bot_of(slack, session, ManualClock(fast=True))


async def test_a_reply_stands_in_the_thread_and_rings(patient: Any, slack: FakeSlack) -> None:
    """Below the living message, where a mention notifies."""
    place = (await patient.post(message("living"))).receipt
    await patient.reply(place, message("<!here> worse", "inc:2:reply"))
    living = slack.shown()[0]
    (reply,) = slack.replies(living)
    assert reply.pings == {"here"}
    assert living.pings == set()
    assert len(slack.shown()) == 1


async def test_a_broadcast_reply_is_seen_in_the_channel(
    slack: FakeSlack, session: aiohttp.ClientSession
) -> None:
    """Configured per channel."""
    bot = bot_of(slack, session, ManualClock(), broadcast=True)
    place = (await bot.post(message("living"))).receipt
    await bot.reply(place, message("worse"))
    assert slack.messages[CHANNEL][1].payload["reply_broadcast"] == "true"


async def test_editing_pings_nobody(patient: Any, slack: FakeSlack) -> None:
    """As with the real service, which is why new alerts need a reply."""
    place = (await patient.post(message("calm"))).receipt
    await patient.edit(place, message("<!channel> now"))
    assert slack.shown()[0].pings == set()


async def test_a_channel_given_by_name_is_edited_by_its_id(
    slack: FakeSlack, session: aiohttp.ClientSession
) -> None:
    """chat.update takes ids only; the first answer tells it."""
    bot = bot_of(slack, session, ManualClock(), channel=f"#{CHANNEL.lower()}")
    place = (await bot.post(message("by name", "inc:3"))).receipt
    assert place.destination == CHANNEL
    assert (await bot.edit(place, message("edited"))).kind is OutcomeKind.DELIVERED
    assert await bot.find("inc:1") == place


@pytest.mark.parametrize("lost", [cut_after, hang_after])
async def test_a_lost_post_is_found_by_its_marker(
    lost: Any, patient: Any, slack: FakeSlack
) -> None:
    """The message that arrived without an answer is bound, not posted again."""
    slack.faults.add(lost())
    assert (await patient.post(message("lost", "inc:7"))).kind is OutcomeKind.UNKNOWN
    found = await patient.find("inc:7")
    assert found == Receipt(CHANNEL, slack.shown()[0].id)
    assert (await patient.edit(found, message("bound"))).kind is OutcomeKind.DELIVERED
    assert len(slack.shown()) == 1


async def test_a_lost_reply_is_found_in_its_thread(patient: Any, slack: FakeSlack) -> None:
    """Replies do not appear in the channel's history."""
    place = (await patient.post(message("living"))).receipt
    slack.faults.add(cut_after())
    await patient.reply(place, message("lost", "inc:2:reply"))
    assert await patient.find("inc:2:reply") is None
    assert await patient.find("inc:2:reply", place) is not None


async def test_find_turns_pages_and_waits_when_asked_to(
    session: aiohttp.ClientSession,
) -> None:
    """A busy channel, a rate limit and an ill server do not make us post twice."""
    async with FakeSlack(ManualClock(), enforce_limits=False) as slack:
        bot = bot_of(slack, session, ManualClock(fast=True))
        await bot.post(message("old", "inc:0"))
        for number in range(250):
            await bot.post(message("noise", f"noise:{number}"))
        slack.faults.add(rate_limited("3").on(Operation.FIND), answer(503).on(Operation.FIND))
        assert await bot.find("inc:0") is not None


async def test_find_gives_up_when_slack_does_not_tell(patient: Any, slack: FakeSlack) -> None:
    """Without the scope there is no way to know: None, at once."""
    await patient.post(message("there", "inc:1"))
    slack.scopes.discard("channels:history")
    assert await patient.find("inc:1") is None


async def test_a_chart_waits_until_slack_has_processed_it(
    session: aiohttp.ClientSession,
) -> None:
    """An upload cannot be shown at once: that is a refusal, which leaves the message alone."""
    clock = ManualClock(fast=True)
    async with FakeSlack(clock, file_processing_seconds=2.5) as slack:
        bot = bot_of(slack, session, clock)
        place = (await bot.post(message("words"))).receipt
        _, chart = await bot.upload(Chart(b"png", "alt"))
        outcome = await bot.attach(place, message("words"), chart)
        assert outcome.kind is OutcomeKind.PAYLOAD_REFUSED
        assert slack.shown()[0].edits == 0
        await clock.sleep(2.5)
        outcome = await bot.attach(place, message("words"), chart)
        assert outcome.kind is OutcomeKind.DELIVERED
        (file,) = slack.shown()[0].files
        assert slack.files.content(file) == b"png"
        assert slack.shown()[0].payload["blocks"][-1]["alt_text"] == "alt"


@pytest.mark.parametrize("before", [0, 1, 2, 3])
async def test_a_chart_that_fails_leaves_the_message_alone(
    before: int, patient: Any, slack: FakeSlack
) -> None:
    """Each of the four requests may fail; nothing is lost but the picture."""
    place = (await patient.post(message("words"))).receipt
    steps = [Operation.ATTACH] * 3 + [Operation.EDIT]
    slack.faults.add(*(properly().on(step) for step in steps[:before]))
    slack.faults.add(answer(503).on(steps[before]))
    outcome, chart = await patient.upload(Chart(b"png", "alt"))
    if outcome.kind is OutcomeKind.DELIVERED:
        outcome = await patient.attach(place, message("words"), chart)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert slack.faults.left == 0
    assert slack.shown()[0].files == ()
    assert "words" in slack.shown()[0].text


async def test_a_chart_whose_file_is_gone_is_dropped(patient: Any, slack: FakeSlack) -> None:
    """The words are edited all the same, and the receipt forgets the chart."""
    place = (await patient.post(message("words"))).receipt
    gone = Receipt(place.destination, place.message, "F0000000404")
    outcome = await patient.edit(gone, message("newer words"))
    assert outcome.receipt == place
    assert "newer words" in slack.shown()[0].text


async def test_a_wrong_api_url_is_named(session: aiohttp.ClientSession, slack: FakeSlack) -> None:
    """Text where JSON should be is no accident of ours."""
    bot = bot_of(slack, session, ManualClock())
    slack.faults.add(answer(200, "ok"))
    outcome = await bot.post(message("x"))
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "api_url" in outcome.detail
    slack.faults.add(answer(200, "{broken"))
    assert (await bot.post(message("x"))).kind is OutcomeKind.TRANSIENT


async def test_a_webhook_address_that_is_none_is_named(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The channel stops with a reason instead of raising."""
    hook: Any = build(
        kind="slack_webhook",
        name="ops",
        secret=Secret("channel ops: url", value="not an address"),
        session=session,
        clock=ManualClock(),
        budgets=Budgets(),
    )
    outcome = await hook.post(message("x"))
    assert outcome.kind is OutcomeKind.DESTINATION_DEAD
    assert "channel ops: url" in outcome.detail
