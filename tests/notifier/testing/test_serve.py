"""Both fakes by hand."""

import asyncio

import aiohttp

import notifier.testing as package
from notifier.testing import serve_fakes


async def test_served_fakes_say_how_to_reach_them_and_end() -> None:
    """Three lines that can be pasted into a configuration; the addresses work."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    until = asyncio.Event()
    task = asyncio.create_task(
        serve_fakes(slack_port=0, discord_port=0, announce=lines.put_nowait, until=until)
    )
    said = [await lines.get() for _ in range(3)]
    url = said[1].rpartition("= ")[2]
    async with aiohttp.ClientSession() as session, session.post(url, json={"text": "x"}) as got:
        assert await got.text() == "ok"
    until.set()
    await task


def test_the_public_names_are_sorted_and_exist() -> None:
    """What users import."""
    assert package.__all__ == sorted(package.__all__, key=lambda n: (not n[0].isupper(), n))
    assert all(hasattr(package, name) for name in package.__all__)
