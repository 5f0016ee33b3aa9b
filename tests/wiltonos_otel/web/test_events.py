"""The stream of events, without a browser in between."""

import asyncio

from wiltonos_otel.web.events import EventStream


def test_reader_that_falls_behind_gets_the_newest() -> None:
    """Memory is bounded by dropping what is old."""
    stream = EventStream()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(2)
    stream._readers.add(queue)
    for number in range(100):
        stream.publish(str(number))
    assert [queue.get_nowait(), queue.get_nowait()] == [b"data: 98\n\n", b"data: 99\n\n"]
