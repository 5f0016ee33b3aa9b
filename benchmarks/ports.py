"""Free ports below those that the system hands out by itself.

A port that was free a moment ago is anybody's: another process that binds to port 0, or an
outgoing connection, may get it before the program that it was meant for. Nothing of ours listens
in this range unless it was told to, and every worker of a test run has a block of its own.
"""

import os
from itertools import count

from wiltonos_otel.stack.ports import Ports, is_free

LOWEST, HIGHEST = 10_000, 20_900
BLOCKS = 8
# they move the ports of a stack to above those and below the system's own; no two default ports
# are a multiple of a hundred apart, so that two stacks never share one
OFFSETS = range(16_700, 19_600, 100)

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % BLOCKS
_size = (HIGHEST - LOWEST) // BLOCKS
# processes of different runs begin at different places
_numbers = count(os.getpid())


def free_port() -> int:
    """A loopback port that nobody listens on and that no earlier call here has given."""
    for _ in range(_size):
        port = LOWEST + _worker * _size + next(_numbers) % _size
        if is_free(port):
            return port
    raise OSError(f"no port is free between {LOWEST} and {HIGHEST}")


def free_offset() -> int:
    """An offset at which every port of a stack is free."""
    for offset in OFFSETS[_worker::BLOCKS]:
        if all(map(is_free, Ports.at(offset).by_name().values())):
            return offset
    raise OSError(f"no offset is free between {OFFSETS[0]} and {OFFSETS[-1]}")
