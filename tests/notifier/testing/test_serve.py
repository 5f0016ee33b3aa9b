"""Both fakes by hand."""

import asyncio
import tomllib

import aiohttp

import notifier.testing as package
from notifier.testing import serve_fakes
from notifier.testing.slack import TOKEN


async def test_served_fakes_say_how_to_reach_them_and_end() -> None:
    """A configuration to paste, whose addresses work; the page of each shows what came."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    until = asyncio.Event()
    task = asyncio.create_task(
        serve_fakes(slack_port=0, discord_port=0, announce=lines.put_nowait, until=until)
    )
    said = [await lines.get()]
    while not said[-1].startswith("# what arrives"):
        said.append(await lines.get())
    bot, hook, webhook = tomllib.loads("\n".join(said))["notifier"]["channels"]
    assert bot["token"] == TOKEN
    assert webhook["kind"] == "discord_webhook"
    page = hook["url"].partition("/services/")[0] + "/"
    assert page in said[-1]
    async with aiohttp.ClientSession() as session:
        async with session.get(page) as got:
            assert "nothing yet" in await got.text()
        async with session.post(hook["url"], json={"text": "<b>x</b>"}) as got:
            assert await got.text() == "ok"
        async with session.get(page) as got:
            shown = await got.text()
    assert "1 message, the newest first" in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    until.set()
    await task


def test_the_public_names_are_sorted_and_exist() -> None:
    """What users import."""
    assert package.__all__ == sorted(package.__all__, key=lambda n: (not n[0].isupper(), n))
    assert all(hasattr(package, name) for name in package.__all__)
