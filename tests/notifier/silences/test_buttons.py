"""Buttons over Socket Mode: the fake Slack, the real Alertmanager."""

import asyncio
from typing import Any

import pytest

from notifier.testing.slack_socket import APP_TOKEN

pytestmark = pytest.mark.stack


async def press(scene: Any, label: str) -> None:
    """Press a button of the living message."""
    (message,) = scene.run.slack_messages()
    await scene.run.slack.socket.press(message, label)


async def test_a_button_silences_in_the_name_of_who_pressed_it(scene_with_buttons: Any) -> None:
    """Acknowledge, undo, silence, without a page; the message has buttons and no links for it."""
    scene = scene_with_buttons
    await scene.fires("A")
    assert scene.links() == {}
    await press(scene, "Acknowledge")
    await scene.says("Acknowledged by ana")
    (silence,) = await scene.am.silences()
    assert silence["createdBy"] == "ana"
    await press(scene, "Undo silence")
    await scene.says("wiltonos_silence")
    assert await scene.am.silences() == []
    await press(scene, "Silence")
    await scene.says("Silenced until")


async def test_a_button_that_cannot_answers_only_who_pressed_it(scene_with_buttons: Any) -> None:
    """Acknowledged to Slack in time all the same, and the message stays as it is."""
    scene = scene_with_buttons
    await scene.fires("A")
    await scene.am.stop()
    await press(scene, "Silence")

    async def answered() -> bool:
        return bool(scene.run.slack.socket.responses)

    await scene.eventually(answered)
    (response,) = scene.run.slack.socket.responses
    assert response["response_type"] == "ephemeral"
    assert "cannot be reached" in response["text"]
    assert (await scene.incident())["revision"] == 1


async def test_no_socket_holds_nothing_up(
    start: Any, texts: dict[str, str], alertmanager: Any, capfd: Any
) -> None:
    """A refused app token is said once, without it; messages go out and the end comes at once."""
    channel = f'{texts["slack"]}app_token = "xapp-wrong-secret"\n'
    run = await start(channel, f'alertmanager_url = "{alertmanager.url}"')
    async with run.http.get(f"{run.base}/-/ready") as answer:
        assert answer.status == 200
    async with asyncio.timeout(5):
        await run.end()
    said = "".join(capfd.readouterr())
    assert said.count("buttons cannot be heard") == 1
    assert "invalid_auth" in said
    assert "xapp-wrong-secret" not in said
    assert APP_TOKEN not in said


async def test_a_connection_that_slack_ends_is_made_again(scene_with_buttons: Any) -> None:
    """Slack refreshes them every few hours."""
    scene = scene_with_buttons
    socket = scene.run.slack.socket
    await socket.cut()

    async def back() -> bool:
        return bool(socket.connected)

    await scene.eventually(back)
    await scene.fires("A")
    await press(scene, "Silence")
    await scene.says("Silenced until")
