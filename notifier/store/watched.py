"""Connections to PostgreSQL that nobody waits for without a bound.

A network may lose a connection without telling either end, and a server may be stopped or hang on
its disk: TCP would wait for a quarter of an hour. A connection that owes an answer for too long is
cut, never used again, and closed without a wait; what its session still holds on the server is
ended by the next connection, and by bounds of the server's own where no next one comes.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from notifier.errors import AwayError

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

# of what is sent in one statement: its bytes are no silence
BYTES_PER_SECOND = 4_000_000
# a pause of this process counts as one of so many parts of a bound: the answer may be there
_PARTS = 4
# sessions to be ended; a connection that is cut once more has no other one before it
_MOST_CUT = 64
_APPLICATION = "wiltonos-notifier"

Session = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, in seconds.

    Together below the 8 s after which a webhook is answered 503 anyway: one that meets a dead
    connection is committed over a new one, and what it would wait for is named.

    Attributes:
        free: for one of the connections to be free.
        connect: for a new connection, until it can be used.
        ping: for a sign of life of a connection that was idle.
        fresh: how long a connection may have been idle without being asked for one.
        lock: by the server, for what another transaction holds.
        answer: for the answer to a statement.
        open: by the server, for the next statement of a transaction; ours may compute in between.
        long: for a statement of housekeeping, and by the server for any.
        migration: for a statement of a migration, or another replica's whole one.
        peer: by the server, for a sign of life of our end.
    """

    free: float = 5.0
    connect: float = 3.0
    ping: float = 2.0
    fresh: float = 1.0
    lock: float = 4.0
    answer: float = 6.0
    open: float = 15.0
    long: float = 60.0
    migration: float = 600.0
    peer: float = 30.0

    @property
    def of_server(self) -> str:
        """What a session of ours asks of the server, as SQL."""
        every = max(1, int(self.peer / 3))
        bounds = {
            "lock_timeout": _milliseconds(self.lock),
            "statement_timeout": _milliseconds(self.long),
            "idle_in_transaction_session_timeout": _milliseconds(self.open),
            "tcp_user_timeout": _milliseconds(self.peer),
            "tcp_keepalives_idle": every,
            "tcp_keepalives_interval": every,
            "tcp_keepalives_count": 2,
        }
        return "; ".join(f"SET {name} = {value}" for name, value in bounds.items())


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


class Watched(_Connection):
    """A connection that is cut when the server owes an answer for too long.

    Attributes:
        bound: for the answer to a statement, in seconds.
        silent: whether it was cut.
        session: its process on the server and when that began.
        used_at: when it was last waited for, by the loop's clock.
        cut: called when it is cut.
    """

    bound: float = math.inf
    silent: bool = False
    session: Session | None = None
    used_at: float = 0.0
    cut: Callable[["Watched"], None] = lambda _: None
    _timer: asyncio.TimerHandle | None = None
    _waits: tuple[float, int] = (math.inf, 0)

    def expect(self, seconds: float) -> None:
        """Want an answer within so many seconds from now."""
        if self._timer is not None and self._waits[0] == seconds:
            self._waits = (seconds, _PARTS)
            return
        self.rest()
        self._waits = (seconds, _PARTS)
        self._arm()

    def rest(self) -> None:
        """Want nothing."""
        loop = asyncio.get_running_loop()
        self.used_at = loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._waits[0] / _PARTS, self._look)

    def _look(self) -> None:
        seconds, left = self._waits
        self._waits = (seconds, left - 1)
        if self.is_closed():
            self._timer = None
        elif left > 1:
            self._arm()
        else:
            self._timer, self.silent = None, True
            self.cut(self)
            self.terminate()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - theirs
        """Close without a wait for the server: it may not answer."""
        self.terminate()


class Connecting:
    """Makes connections that are watched.

    Args:
        patience: how long for what.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._cut: deque[Session] = deque(maxlen=_MOST_CUT)

    async def __call__(self, **arguments: Any) -> Watched:
        """Connect.

        Raises:
            AwayError: it takes too long, or is refused.
        """
        try:
            async with asyncio.timeout(self._patience.connect):
                return await self._connect(arguments)
        except TimeoutError:
            reason = f"no connection within {self._patience.connect:g} s"
        except OSError as error:
            reason = error.strerror or str(error)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = str(error)
        raise AwayError(f"the database cannot be reached: {reason}")

    async def _connect(self, arguments: dict[str, Any]) -> Watched:
        ours = {"timeout": None, "server_settings": {"application_name": _APPLICATION}}
        made = await asyncpg.connect(**arguments | ours, connection_class=Watched)
        try:
            await made.execute(self._patience.of_server)
            found = await made.fetchrow(_SESSION)
            made.session = (found[0], found[1]) if found else None
            await self._end_those_cut(made)
        except BaseException:
            made.terminate()
            raise
        made.cut, made.bound = self._note, self._patience.answer
        # what SQLAlchemy asks of a new one is waited for as well
        made.expect(made.bound)
        return made

    def _note(self, connection: Watched) -> None:
        if connection.session is not None:
            self._cut.append(connection.session)

    async def _end_those_cut(self, connection: Watched) -> None:
        """Let go of the locks of the sessions that nobody listens to any more."""
        ended = list(self._cut)
        if not ended:
            return
        processes, began = zip(*ended, strict=True)
        await connection.execute(_END, processes, began)
        for session in ended:
            if session in self._cut:
                self._cut.remove(session)


_SESSION = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
# a process id may be another one's by now, who began at another time
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE (pid, backend_start) IN (SELECT * FROM unnest($1::int[], $2::timestamptz[]))
"""
