"""What only Discord does."""

from typing import Any

import aiohttp
import pytest

from notifier.deliver.discord import payload
from notifier.deliver.factory import build
from notifier.deliver.outcome import OutcomeKind
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Chart, Operation, Rendered
from notifier.testing import FakeDiscord, ManualClock, answer
from notifier.testing.discord import CHANNEL
from wiltonos_service.secrets import Secret


def message(text: str, **more: Any) -> Rendered:
    """A message of one embed."""
    body = {"content": "", "embeds": [{"title": text, "description": text}], **more}
    return Rendered(body, {"content": text}, "inc:1")


def hook_of(
    discord: FakeDiscord, session: aiohttp.ClientSession, url: str = "", **more: Any
) -> Any:
    """A webhook of the fake."""
    return build(
        kind="discord_webhook",
        name="ops",
        secret=Secret("channel ops: url", value=url or discord.webhook_url()),
        session=session,
        clock=discord.clock,
        budgets=Budgets(),
        **more,
    )


@pytest.fixture
def plain(discord: FakeDiscord, session: aiohttp.ClientSession) -> Any:
    """A webhook into the channel."""
    return hook_of(discord, session)


@pytest.mark.parametrize("version", ["/api/webhooks", "/api/v6/webhooks", "/api/v10/webhooks"])
async def test_every_form_of_address_means_version_10(
    version: str, discord: FakeDiscord, session: aiohttp.ClientSession
) -> None:
    """The form that Discord's pages show would mean a deprecated version."""
    url = discord.webhook_url().replace("/api/webhooks", version)
    hook = hook_of(discord, session, url)
    assert (await hook.post(message("x"))).kind is OutcomeKind.DELIVERED
    assert discord.unversioned == 0


@pytest.mark.parametrize(
    "url", ["https://discord.com/", "nonsense", "https://[::1/api/webhooks/1/x"]
)
async def test_an_address_that_is_none_is_named(
    url: str, discord: FakeDiscord, session: aiohttp.ClientSession
) -> None:
    """The channel stops with a reason instead of raising."""
    outcome = await hook_of(discord, session, url).post(message("x"))
    assert outcome.kind is OutcomeKind.DESTINATION_DEAD
    assert "channel ops: url" in outcome.detail


async def test_nobody_is_mentioned_by_default(plain: Any, discord: FakeDiscord) -> None:
    """Discord would let a webhook mention users; we never do unless the message says who."""
    place = (await plain.post(message("x", content="@everyone <@1> <@&2>"))).receipt
    await plain.edit(place, message("x", content="<@3>"))
    said = discord.shown()[0]
    assert said.pings == set()
    assert [version.payload["allowed_mentions"] for version in said.history] == [{"parse": []}] * 2


async def test_who_is_named_is_mentioned(plain: Any, discord: FakeDiscord) -> None:
    """Exactly those."""
    allowed = {"parse": [], "roles": ["2"]}
    await plain.post(message("x", content="@everyone <@1> <@&2>", allowed_mentions=allowed))
    assert discord.shown()[0].pings == {"&2"}


async def test_a_thread_is_written_and_edited_as_one(
    discord: FakeDiscord, session: aiohttp.ClientSession
) -> None:
    """The thread is named on edits, too; an archived one makes the worker post again."""
    thread = discord.add_thread()
    hook = hook_of(discord, session, thread_id=thread)
    place = (await hook.post(message("x"))).receipt
    assert (await hook.edit(place, message("y"))).kind is OutcomeKind.DELIVERED
    assert discord.shown(CHANNEL) == []
    discord.threads[thread] = True
    assert (await hook.edit(place, message("z"))).kind is OutcomeKind.MESSAGE_GONE
    assert (await hook.post(message("z"))).kind is OutcomeKind.DELIVERED


async def test_a_chart_is_an_image_of_the_embed(plain: Any, discord: FakeDiscord) -> None:
    """Uploaded with the edit, shown inside, named chart.png."""
    place = (await plain.post(message("x"))).receipt
    await plain.attach(place, message("x"), Chart(b"png", "alt"))
    said = discord.shown()[0]
    assert said.files == ("chart.png",)
    assert said.payload["embeds"][0]["image"] == {"url": "attachment://chart.png"}


async def test_an_edge_ban_stops_every_webhook(
    discord: FakeDiscord, session: aiohttp.ClientSession
) -> None:
    """After too many bad requests the address is banned; going on would prolong it."""
    discord.invalid_limit = 1
    hook = hook_of(discord, session)
    discord.faults.add(answer(429, "error code: 1015"))
    outcome = await hook.post(message("x"))
    assert outcome.kind is OutcomeKind.EDGE_BAN
    assert hook.next_allowed(Operation.POST, urgent=True) >= discord.clock.monotonic() + 300


async def test_the_budgets_are_kept_without_a_single_429(
    discord: FakeDiscord, session: aiohttp.ClientSession
) -> None:
    """Seventy messages through the real limits, at the earliest moment each."""
    hook, clock = hook_of(discord, session), discord.clock
    assert isinstance(clock, ManualClock)
    for number in range(70):
        wait = hook.next_allowed(Operation.POST, urgent=number % 2 == 0) - clock.monotonic()
        await clock.advance(wait)
        assert (await hook.post(message("x"))).kind is OutcomeKind.DELIVERED
    assert discord.answers[429] == 0


def test_only_what_discord_knows_is_sent() -> None:
    """The library's own settings stay at home, and every part that an edit clears is there."""
    built = payload({"content": "", "embeds": [], "rate_limit_retry": True, "proxies": {"x": "y"}})
    assert built == {"content": "", "embeds": [], "allowed_mentions": {"parse": []}}


def test_embeds_keep_what_was_rendered() -> None:
    """Nothing is added, nothing is shared with the caller."""
    embed = {
        "title": "t",
        "description": "d",
        "color": 5,
        "timestamp": "2026-11-23T03:00:30+00:00",
        "fields": [{"name": "n", "value": "v", "inline": True}],
        "footer": {"text": "f"},
    }
    rendered = {"content": "c", "embeds": [embed]}
    built = payload(rendered)
    assert built["embeds"] == [embed]
    built["embeds"][0]["fields"].clear()
    assert embed["fields"]
