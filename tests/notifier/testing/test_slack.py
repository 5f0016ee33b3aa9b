"""The fake Slack refuses what the real one refuses."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from notifier.testing import FakeChannel, FakeSlack, ManualClock, answer, cut_before, properly
from notifier.testing.slack import CHANNEL


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A workspace whose time stands still."""
    async with FakeSlack(ManualClock()) as fake:
        yield fake


async def call(slack: FakeSlack, method: str, token: str | None = None, **arguments: Any) -> Any:
    """What the Web API answers."""
    token = slack.token if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(slack.api_url + method, json=arguments) as response,
    ):
        return {"status": response.status, **response.headers, **await response.json()}


async def post(slack: FakeSlack, **arguments: Any) -> Any:
    """What posting into the channel answers."""
    return await call(slack, "chat.postMessage", **{"channel": CHANNEL, **arguments})


async def hook(slack: FakeSlack, body: str, url: str = "") -> tuple[int, str]:
    """What the incoming webhook answers."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url or slack.webhook_url(), data=body) as response,
    ):
        return response.status, await response.text()


def section(text: str) -> dict[str, Any]:
    """A section of formatted text."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def many_fields(count: int, length: int) -> list[dict[str, Any]]:
    """A section of fields."""
    fields = [{"type": "plain_text", "text": "x" * length}] * count
    return [{"type": "section", "fields": fields}]


async def test_tokens_scopes_and_channels_are_checked(slack: FakeSlack) -> None:
    """Each failure has Slack's own word, with status 200."""
    assert (await call(slack, "auth.test", token=""))["error"] == "not_authed"
    assert (await call(slack, "auth.test", token="xoxb-other"))["error"] == "invalid_auth"
    assert (await call(slack, "auth.test"))["ok"]
    assert (await call(slack, "no.such"))["error"] == "unknown_method"
    assert (await post(slack, channel="C9", text="x"))["error"] == "channel_not_found"
    slack.add_channel(FakeChannel("C2", "outside", member=False))
    slack.add_channel(FakeChannel("C3", "old", archived=True))
    assert (await post(slack, channel="C2", text="x"))["error"] == "not_in_channel"
    assert (await post(slack, channel="C3", text="x"))["error"] == "is_archived"
    slack.scopes.add("chat:write.public")
    assert (await post(slack, channel="#outside", text="x"))["channel"] == "C2"
    slack.scopes.discard("chat:write")
    assert (await post(slack, text="x"))["needed"] == "chat:write"
    slack.revoked = True
    assert (await post(slack, text="x"))["error"] == "token_revoked"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("😀" * 1501)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "poem"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": many_fields(11, 1)}, "invalid_blocks"),
        ({"text": "x", "blocks": many_fields(1, 2001)}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
        (
            {
                "text": "x",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            },
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{**section("x"), "block_id": "b"}] * 2}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "image", "image_url": "http://x/y.png"}]},
            "invalid_blocks",
        ),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_format"),
    ],
)
async def test_every_limit_of_a_message_is_enforced(
    slack: FakeSlack, arguments: dict[str, Any], error: str
) -> None:
    """Refused with Slack's word, and nothing is shown."""
    assert (await post(slack, **arguments))["error"] == error
    assert slack.shown() == []


async def test_an_update_is_shorter_and_only_of_ones_own(slack: FakeSlack) -> None:
    """4,000 characters, the bot's own messages, by the channel's id."""
    made = await post(slack, text="x", blocks=[section("x")])
    own = {"channel": CHANNEL, "ts": made["ts"]}
    assert (await call(slack, "chat.update", **own, text="x" * 4001))["error"] == "msg_too_long"
    assert (await call(slack, "chat.update", **own, text="y"))["ok"]
    assert slack.shown()[0].payload.get("blocks") is None
    named = {**own, "channel": CHANNEL.lower()}
    assert (await call(slack, "chat.update", **named, text="y"))["error"] == "channel_not_found"
    await hook(slack, '{"text": "by the hook"}')
    foreign = {"channel": CHANNEL, "ts": slack.shown()[1].id, "text": "y"}
    assert (await call(slack, "chat.update", **foreign))["error"] == "cant_update_message"
    assert (await call(slack, "chat.delete", **own))["ok"]
    assert (await call(slack, "chat.update", **own, text="z"))["error"] == "message_not_found"


async def test_messages_age(slack: FakeSlack) -> None:
    """A workspace may close the edit window."""
    clock = ManualClock()
    async with FakeSlack(clock, edit_window_seconds=60) as aging:
        made = await post(aging, text="x")
        await clock.advance(61)
        own = {"channel": CHANNEL, "ts": made["ts"], "text": "y"}
        assert (await call(aging, "chat.update", **own))["error"] == "edit_window_closed"


async def test_one_message_per_second_with_short_bursts(slack: FakeSlack) -> None:
    """The fourth at once is limited, and told how long; each channel has its own."""
    clock = slack.clock
    assert isinstance(clock, ManualClock)
    answers = [(await post(slack, text="x"))["status"] for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    limited = await post(slack, text="x")
    assert (limited["error"], limited["Retry-After"]) == ("ratelimited", "1")
    assert await hook(slack, '{"text": "x"}') == (429, "rate_limited")
    await clock.advance(1)
    assert (await post(slack, text="x"))["ok"]


async def test_the_tiers_of_a_workspace(slack: FakeSlack) -> None:
    """Fifty edits per minute over all channels."""
    made = await post(slack, text="x")
    own = {"channel": CHANNEL, "ts": made["ts"], "text": "y"}
    answers = [(await call(slack, "chat.update", **own))["status"] for _ in range(51)]
    assert answers.count(200) == 50
    assert answers[-1] == 429


async def test_pings_are_those_of_the_blocks_and_never_of_an_edit(slack: FakeSlack) -> None:
    """Who was notified is recorded per version."""
    every = "<!here> <!channel> <@U1> <!subteam^S1|ops> &lt;!everyone&gt;"
    made = await post(slack, text="<!everyone>", blocks=[section(every)])
    assert slack.shown()[0].pings == {"here", "channel", "@U1", "subteam^S1"}
    assert "everyone" in slack.possible_pings()
    own = {"channel": CHANNEL, "ts": made["ts"]}
    await call(slack, "chat.update", **own, text="<!everyone>")
    assert "everyone" not in slack.shown()[0].pings
    assert slack.shown()[0].edits == 1


@pytest.mark.parametrize(
    ("body", "answered"),
    [
        ('{"text": "x"}', (200, "ok")),
        ("not json", (400, "invalid_payload")),
        ('{"blocks": []}', (400, "no_text")),
        ('{"text": "x", "blocks": [{"type": "poem"}]}', (400, "invalid_blocks")),
    ],
)
async def test_a_webhook_answers_in_plain_text(
    slack: FakeSlack, body: str, answered: tuple[int, str]
) -> None:
    """No JSON, no message id."""
    assert await hook(slack, body) == answered


async def test_a_webhook_that_is_gone_says_so(slack: FakeSlack) -> None:
    """Wrong secret, removed, archived: three answers."""
    assert await hook(slack, "{}", slack.webhook_url()[:-1] + "x") == (403, "invalid_token")
    assert await hook(slack, "{}", slack.webhook_url("C9")) == (404, "no_service")
    slack.channels[CHANNEL].archived = True
    assert await hook(slack, "{}") == (410, "channel_is_archived")
    slack.hooks_disabled = True
    assert await hook(slack, "{}") == (404, "no_service")


async def test_history_has_metadata_only_when_asked_for(slack: FakeSlack) -> None:
    """And replies stand in the thread, not in the channel."""
    metadata = {"event_type": "e", "event_payload": {"marker": "m"}}
    made = await post(slack, text="x", metadata=metadata)
    await post(slack, text="reply", thread_ts=made["ts"])
    bare = await call(slack, "conversations.history", channel=CHANNEL)
    assert [m.get("metadata") for m in bare["messages"]] == [None]
    full = await call(slack, "conversations.history", channel=CHANNEL, include_all_metadata=True)
    assert [m.get("metadata") for m in full["messages"]] == [metadata]
    thread = await call(slack, "conversations.replies", channel=CHANNEL, ts=made["ts"])
    assert [m["text"] for m in thread["messages"]] == ["x", "reply"]
    missing = await call(slack, "conversations.replies", channel=CHANNEL, ts="9.9")
    assert missing["error"] == "thread_not_found"


async def test_an_upload_takes_three_steps(slack: FakeSlack) -> None:
    """Announced length, bytes, completion; a file that skipped one does not exist."""
    asked = await call(slack, "files.getUploadURLExternal", filename="a.png", length=3)
    early = await call(slack, "files.completeUploadExternal", files=[{"id": asked["file_id"]}])
    assert early["error"] == "file_not_found"
    async with aiohttp.ClientSession() as session:
        for content, status in ((b"1234", 400), (b"123", 200)):
            async with session.post(asked["upload_url"], data=content) as response:
                assert response.status == status
    done = await call(slack, "files.completeUploadExternal", files=[{"id": asked["file_id"]}])
    assert done["files"][0]["id"] == asked["file_id"]
    image = {"type": "image", "slack_file": {"id": asked["file_id"]}, "alt_text": "a"}
    assert (await post(slack, text="x", blocks=[image]))["ok"]
    unknown = {"type": "image", "slack_file": {"id": "F404"}, "alt_text": "a"}
    assert (await post(slack, text="x", blocks=[unknown]))["error"] == "invalid_blocks"


async def test_a_file_is_removed_once_and_shown_no_more(slack: FakeSlack) -> None:
    """Only with the scope; afterwards no message can show it."""
    asked = await call(slack, "files.getUploadURLExternal", filename="a.png", length=3)
    file = asked["file_id"]
    async with aiohttp.ClientSession() as session:
        await session.post(asked["upload_url"], data=b"123")
    await call(slack, "files.completeUploadExternal", files=[{"id": file}])
    slack.scopes.discard("files:write")
    assert (await call(slack, "files.delete", file=file))["error"] == "missing_scope"
    slack.scopes.add("files:write")
    assert (await call(slack, "files.delete", file="F404"))["error"] == "file_not_found"
    assert (await call(slack, "files.delete", file=file))["ok"]
    assert (await call(slack, "files.delete", file=file))["error"] == "file_deleted"
    assert slack.files.kept == []
    image = {"type": "image", "slack_file": {"id": file}, "alt_text": "a"}
    assert (await post(slack, text="x", blocks=[image]))["error"] == "invalid_blocks"


async def test_faults_are_met_in_order_then_by_chance(slack: FakeSlack) -> None:
    """Scripted ones first; a standing one until it is lifted."""
    slack.faults.add(properly(), answer(500, "{}"), times=2)
    statuses = [(await post(slack, text="x"))["status"] for _ in range(4)]
    assert statuses == [200, 500, 200, 500]
    slack.faults.always("outage", answer(503, "{}"))
    assert (await post(slack, text="x"))["status"] == 503
    slack.faults.always("outage", None)
    assert (await post(slack, text="x"))["status"] == 200
    slack.faults.chance(1.0, answer(418, "{}"), seed=1)
    assert (await post(slack, text="x"))["status"] == 418
    slack.faults.clear()
    slack.faults.add(cut_before())
    with pytest.raises(aiohttp.ClientError):
        await post(slack, text="x")
