"""A network between a notifier and its database that can do what networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# with it, closing a socket sends RST and not FIN
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Pair:
    """One connection through the network.

    Attributes:
        broken: whether something of it was lost: it never carries anything again.
    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    broken: bool = False


@dataclass
class Network:
    """Carries TCP to one port of this machine, as long as it is let.

    Attributes:
        port: where it listens.
        made: how many connections were made through it; and how many were refused.
        lost: set when something did not arrive.
    """

    target: int
    port: int = 0
    made: int = 0
    refused: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    _until: list[bytes] = field(default_factory=list)
    _up: bool = True
    _down: bool = True
    _refuses: bool = False
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def lose(self, *, up: bool = True, down: bool = True) -> None:
        """Swallow what is sent in these directions, and tell neither end."""
        self._up, self._down = not up, not down
        self.lost.clear()

    def lose_answer_to(self, *said: bytes) -> None:
        """Swallow what servers say, once clients have said these, one after the other."""
        self._until = list(said)
        self.lost.clear()

    def heal(self) -> None:
        """Carry what is new; a connection of which something was lost stays lost."""
        self._up = self._down = True
        self._refuses = False

    def refuse(self) -> None:
        """Answer whoever connects with RST."""
        self._refuses = True

    def cut(self) -> None:
        """End every connection with RST, at both ends."""
        for pair in self._pairs:
            _reset(pair.client)
            _reset(pair.server)
        self._pairs.clear()

    async def connected(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry a new connection."""
        if self._refuses:
            self.refused += 1
            _reset(back)
            return
        self.made += 1
        server, forth = await asyncio.open_connection("127.0.0.1", self.target)
        pair = _Pair(back, forth)
        self._pairs.add(pair)
        for source, sink, up in ((client, forth, True), (server, back, False)):
            task = asyncio.create_task(self._carry(pair, source, sink, up=up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool
    ) -> None:
        while data := await _read(source):
            if pair.broken or not (self._up if up else self._down):
                pair.broken = True
                self.lost.set()
                continue
            sink.write(data)
            if up and self._until and self._until[0] in data:
                del self._until[0]
                if not self._until:
                    self.lose(up=False)
        # not even an end gets through where something was lost
        if not pair.broken and (self._up if up else self._down):
            sink.close()

    async def end(self) -> None:
        """Forget every connection."""
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(source: asyncio.StreamReader) -> bytes:
    try:
        return await source.read(65536)
    except OSError:
        return b""


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()


@asynccontextmanager
async def network(target: int) -> AsyncIterator[Network]:
    """A network to a port, on a free port of its own."""
    made = Network(target)
    listener = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        await made.end()
        await listener.wait_closed()
