"""The fake Discord refuses what the real one refuses."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from notifier.testing import FakeDiscord, ManualClock
from notifier.testing.discord import CHANNEL

AGENT = {"User-Agent": "DiscordBot (https://example.org, 1.0)"}


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """Channels whose time stands still, with no rates unless a test asks."""
    async with FakeDiscord(ManualClock(), enforce_limits=False) as fake:
        yield fake


async def send(
    discord: FakeDiscord, verb: str = "POST", path: str = "", query: str = "", **options: Any
) -> tuple[int, Any, Any]:
    """Status, JSON body and headers of an answer."""
    options.setdefault("headers", AGENT)
    url = discord.webhook_url().replace("/api/", "/api/v10/") + path + query
    async with (
        aiohttp.ClientSession() as session,
        session.request(verb, url, **options) as response,
    ):
        text = await response.text()
        body = json.loads(text) if text.startswith("{") else text
        return response.status, body, response.headers


def embed(**parts: Any) -> dict[str, Any]:
    """A body of one embed."""
    return {"embeds": [parts]}


FIELD = {"name": "n", "value": "v"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": "  "}, 50006),
        ({"content": "", "embeds": [{}]}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"content": "😀" * 1001}, 50035),
        ({"content": 5}, 50035),
        ({"embeds": [{"title": "x"}] * 11}, 50035),
        ({"embeds": ["x"]}, 50035),
        (embed(title="x" * 257), 50035),
        (embed(description="x" * 4097), 50035),
        (embed(title="x", fields=[FIELD] * 26), 50035),
        (embed(title="x", fields=[{"name": "x" * 257, "value": "v"}]), 50035),
        (embed(title="x", fields=[{"name": "n", "value": "x" * 1025}]), 50035),
        (embed(title="x", fields=[{"name": " ", "value": "v"}]), 50035),
        (embed(title="x", fields=[{"name": "n"}]), 50035),
        (embed(title="x", footer={"text": "x" * 2049}), 50035),
        (embed(title="x", author={"name": "x" * 257}), 50035),
        (embed(title="x", color=0x1000000), 50035),
        (embed(title="x", url="javascript:x"), 50035),
        (embed(title="x", url="http://localhost:3000"), 50035),
        ({"embeds": [{"description": "x" * 2001}] * 3}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["all"]}}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
        ({"content": "x", "allowed_mentions": {"users": ["1"] * 101}}, 50035),
    ],
)
async def test_every_limit_of_a_message_is_enforced(
    discord: FakeDiscord, body: dict[str, Any], code: int
) -> None:
    """Refused with Discord's code, and nothing is shown."""
    status, answered, _ = await send(discord, json=body)
    assert (status, answered["code"]) == (400, code)
    assert discord.shown() == []


async def test_the_tree_of_errors_names_the_place(discord: FakeDiscord) -> None:
    """As the real one does, so that a person finds it."""
    _, answered, _ = await send(discord, json=embed(title="x" * 257))
    assert (
        answered["errors"]["embeds"]["0"]["title"]["_errors"][0]["code"] == "BASE_TYPE_MAX_LENGTH"
    )


async def test_only_waiting_tells_the_message(discord: FakeDiscord) -> None:
    """204 without ``wait=true``."""
    assert (await send(discord, json={"content": "x"}))[0] == 204
    status, body, _ = await send(discord, query="?wait=true", json={"content": "x"})
    assert (status, body["id"]) == (200, discord.shown()[1].id)


async def test_a_message_can_be_read_edited_and_removed(discord: FakeDiscord) -> None:
    """By the webhook that wrote it, until it is gone."""
    _, body, _ = await send(discord, query="?wait=true", json={"content": "x"})
    path = f"/messages/{body['id']}"
    assert (await send(discord, "GET", path))[1]["content"] == "x"
    assert (await send(discord, "PATCH", path, json=embed(title="t")))[0] == 200
    # what an edit does not name stays
    assert discord.shown()[0].payload["content"] == "x"
    assert (await send(discord, "DELETE", path))[0] == 204
    assert (await send(discord, "PATCH", path, json={"content": "y"}))[1]["code"] == 10008


async def test_attachments_vanish_unless_an_edit_lists_them(discord: FakeDiscord) -> None:
    """Version 10 keeps exactly what is listed, and adds what is uploaded."""
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "x"}')
    form.add_field("files[0]", b"png", filename="a.png")
    _, body, _ = await send(discord, query="?wait=true", data=form)
    path, (attached,) = f"/messages/{body['id']}", body["attachments"]
    kept = {"attachments": [{"id": attached["id"]}]}
    assert len((await send(discord, "PATCH", path, json=kept))[1]["attachments"]) == 1
    assert (await send(discord, "PATCH", path, json={"attachments": []}))[1]["attachments"] == []


async def test_files_have_a_limit(discord: FakeDiscord) -> None:
    """Ten mebibytes."""
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "x"}')
    form.add_field("files[0]", io.BytesIO(b"x" * (10 * 1024 * 1024 + 1)), filename="a.png")
    status, body, _ = await send(discord, data=form)
    assert (status, body["code"]) == (413, 40005)


async def test_mentions_follow_the_permission(discord: FakeDiscord) -> None:
    """By default users only; only content counts; edits notify nobody; silence is a flag."""
    text = "@everyone <@1> <@&2>"
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"content": text}, {"1"}),
        ({"content": text, "allowed_mentions": {"parse": []}}, set()),
        (
            {"content": text, "allowed_mentions": {"parse": ["everyone", "roles"]}},
            {"everyone", "&2"},
        ),
        ({"content": text, "allowed_mentions": {"users": ["1"], "roles": ["9"]}}, {"1"}),
        ({"content": text, "flags": 1 << 12}, set()),
        (embed(description=text), set()),
    ]
    for body, notified in cases:
        await send(discord, json=body)
        assert discord.shown()[-1].pings == notified
    path = f"/messages/{discord.shown()[1].id}"
    await send(discord, "PATCH", path, json={"content": text})
    assert discord.shown()[1].pings == set()


async def test_who_is_wrong_is_told_so(discord: FakeDiscord) -> None:
    """Unknown webhook, wrong token, unknown thread, a stranger's User-Agent, no JSON."""
    assert (await send(discord, path="x", json={"content": "x"}))[1]["code"] == 50027
    assert (await send(discord, query="?thread_id=5", json={"content": "x"}))[1]["code"] == 10003
    assert (await send(discord, data="{"))[1]["code"] == 50109
    stranger = {"User-Agent": "python-requests/2.34"}
    assert (await send(discord, headers=stranger, json={"content": "x"}))[0] == 403
    discord.hook().deleted = True
    assert (await send(discord, json={"content": "x"}))[1]["code"] == 10015


async def test_five_per_two_seconds_are_in_the_headers() -> None:
    """And the sixth is told how long to wait."""
    clock = ManualClock()
    async with FakeDiscord(clock) as discord:
        left = [(await send(discord, json={"content": "x"}))[2] for _ in range(5)]
        assert [headers["X-RateLimit-Remaining"] for headers in left] == list("43210")
        status, body, headers = await send(discord, json={"content": "x"})
        assert (status, body["retry_after"], body["global"]) == (429, 2.0, False)
        assert (headers["Retry-After"], headers["X-RateLimit-Scope"]) == ("2", "user")
        await clock.advance(2)
        assert (await send(discord, json={"content": "x"}))[0] == 204


async def test_thirty_per_minute_and_channel_are_in_no_header() -> None:
    """Two webhooks of one channel share them; the answer waits for most of a minute."""
    clock = ManualClock()
    async with FakeDiscord(clock) as discord:
        second = discord.add_webhook(CHANNEL)
        for number in range(30):
            if number == 15:
                discord.hooks = {second.id: second, **discord.hooks}
            assert (await send(discord, json={"content": "x"}))[0] == 204
            await clock.advance(0.5)
        status, body, headers = await send(discord, json={"content": "x"})
        assert (status, headers["X-RateLimit-Scope"]) == (429, "shared")
        assert body["retry_after"] == pytest.approx(45.0)


async def test_bad_manners_are_banned_by_the_edge() -> None:
    """After too many invalid requests even a good one gets text, no JSON."""
    async with FakeDiscord(ManualClock(), invalid_limit=2) as discord:
        for _ in range(3):
            await send(discord, path="x", json={"content": "x"})
        assert (await send(discord, json={"content": "x"}))[:2] == (429, "error code: 1015")
