"""A new configuration while the service runs."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from notifier.testing.webhooks import Body, alert, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def firing(name: str, **more: Any) -> Body:
    """A group of its own."""
    return webhook(alert(name, starts_at=START, **more), group_key=name)


def rewrite(run: Any, *changes: tuple[str, str]) -> None:
    """Change the configuration file."""
    file = run.directory / "wiltonos.toml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


async def reload(run: Any, status: int = 200) -> Any:
    """Ask for it, as people with a script do."""
    async with run.http.post(f"{run.base}/-/reload") as response:
        assert response.status == status
        return await response.json()


async def test_channels_come_and_go(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """A new channel gets what happens from then on, one that is gone gets nothing more."""
    run = await start(texts["discord"])
    await run.post(firing("A"))
    await run.delivered()
    file = run.directory / "wiltonos.toml"
    both = file.read_text()
    slack = texts["slack"].format(slack=run.slack, channel="C0000000001")
    file.write_text(f"{both}\n{slack}")
    assert await reload(run) == {"status": "reloaded", "needs_restart": []}
    await run.post(firing("B"))
    await run.delivered(2)
    assert [m.text.count("B is wrong") > 0 for m in run.slack_messages()] == [True]
    file.write_text(both.partition("[[notifier.channels]]")[0] + slack)
    await reload(run)
    await run.post(firing("C"))
    await run.delivered(3)
    assert len(run.discord.shown()) == 2
    assert len(run.slack_messages()) == 2


async def test_the_signal_changes_routes_language_and_words(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """``SIGHUP`` takes routes, words and templates; what has arrived stays where it is."""
    run = await start(texts["discord"])
    more = 'match = { severity = "critical" }\nlanguage = "pt-BR"\ntext_template = "own words"\n'
    rewrite(run, ('kind = "discord_webhook"\n', f'kind = "discord_webhook"\n{more}'))
    with capture_logs() as lines:
        os.kill(os.getpid(), signal.SIGHUP)

        async def reloaded() -> bool:
            return any(line["event"] == "configuration reloaded" for line in lines)

        await eventually(reloaded)
    await run.post(firing("A", severity="warning"))
    await run.post(firing("B", severity="critical"))
    await run.delivered(2)
    (message,) = run.discord.shown()
    assert "Crítico" in message.text
    assert "own words" in message.text


@pytest.mark.parametrize(
    "change",
    [
        ('kind = "discord_webhook"', 'kind = "teams"'),
        ('url_file = "discord_url"', 'url_file = "nowhere"'),
        ('url_file = "discord_url"', 'url_file = "discord_url"\ntext_template = "{{ nope }}"'),
        ("[notifier]", "[notifier"),
    ],
)
async def test_a_wrong_configuration_is_refused_and_the_old_one_goes_on(
    start: Callable[..., Any], texts: dict[str, str], change: tuple[str, str]
) -> None:
    """One line in the log, in the answer and among what is degraded, until it is mended."""
    run = await start(texts["discord"])
    right = (run.directory / "wiltonos.toml").read_text()
    rewrite(run, change)
    with capture_logs() as lines:
        problem = (await reload(run, 500))["error"]
    assert "wiltonos.toml" in problem
    assert [line["log_level"] for line in lines] == ["error"]
    assert f"new configuration refused: {problem}" in (await run.get("/-/ready"))["degraded"]
    await run.post(firing("A"))
    await run.delivered()
    assert len(run.discord.shown()) == 1
    (run.directory / "wiltonos.toml").write_text(right)
    await reload(run)
    assert (await run.get("/-/ready"))["degraded"] == []


async def test_what_needs_a_restart_is_said(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """The rest takes effect at once."""
    run = await start(texts["discord"])
    rewrite(
        run,
        ("notifier.db", "another.db"),
        (
            "[notifier]",
            '[telemetry]\notlp_endpoint = "http://127.0.0.1:1"\ntraces = true\n[notifier]',
        ),
    )
    done = await reload(run)
    assert done["needs_restart"] == [
        "[notifier] database",
        "[telemetry] otlp_endpoint",
        "[telemetry] traces",
    ]
    await run.post(firing("A"))
    await run.delivered()


async def test_a_reload_needs_the_token(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """Like everything that changes something."""
    run = await start(texts["discord"], extra='bearer_token = "let-me-in"')
    assert "token" in (await reload(run, 401))["error"]
    headers = {"Authorization": "Bearer let-me-in"}
    async with run.http.post(f"{run.base}/-/reload", headers=headers) as response:
        assert response.status == 200
    async with run.http.get(f"{run.base}/-/ready") as response:
        assert response.status == 200


async def test_what_is_under_way_is_neither_lost_nor_doubled(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """A channel is made anew while its requests are under way: each incident is shown once."""
    run = await start(texts["discord"])
    gate, under_way = asyncio.Event(), []
    exchange = run.discord._exchange

    async def slowly(request: Any, operation: Any, process: Any) -> Any:
        under_way.append(operation)
        await gate.wait()
        return await exchange(request, operation, process)

    run.discord._exchange = slowly
    names = [f"N{number}" for number in range(5)]
    await asyncio.gather(*(run.post(firing(name, severity="critical")) for name in names))
    file = run.directory / "wiltonos.toml"
    text = file.read_text()
    for lanes, language in ((4, "pt-BR"), (5, "en")):

        async def busy(lanes: int = lanes) -> bool:
            return len(under_way) >= lanes

        await eventually(busy)
        file.write_text(f'{text}language = "{language}"\n')
        await reload(run)
    gate.set()
    await run.delivered(5)
    said = " ".join(message.text for message in run.discord.shown())
    assert [said.count(f" {name} is wrong") for name in names] == [1] * 5
    ended = alert(names[0], severity="critical", starts_at=START, ends_at=END)
    await run.post(webhook(ended, group_key=names[0]))
    await run.delivered(5)
    shown = run.discord.shown()
    assert len(shown) == 5
    assert sum("Resolved" in message.text for message in shown) == 1
