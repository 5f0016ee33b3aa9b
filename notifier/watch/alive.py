"""Tells an address outside that all is well, so that its silence says that the notifier died."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp
import structlog

from notifier.clock import Clock, first_of
from notifier.deliver.http import FAILURES, failed_exchange
from wiltonos_service.errors import SettingsError
from wiltonos_service.logs import ChangeLog
from wiltonos_service.secrets import Secret

log = structlog.get_logger(__name__)

PING_SECONDS = 60.0
ANSWER_SECONDS = 10.0


class Ping(StrEnum):
    """What became of a minute."""

    SENT = "sent"
    FAILED = "failed"
    # something is not well, and the silence shall say so
    WITHHELD = "withheld"


@dataclass
class Alive:
    """Asks once a minute whether all is well, and pings if it is.

    Attributes:
        address: the address, which is a secret: whoever knows it can pretend that we live.
        session: for requests to the outside.
        well: what is not well; "" is all well.
        counted: told what became of each minute.
        problem: why the last ping was not sent or not taken; "" is well.
    """

    address: Callable[[], Secret | None]
    session: aiohttp.ClientSession
    clock: Clock
    well: Callable[[], Awaitable[str]]
    counted: Callable[[Ping], None]
    problem: str = ""
    _changes: ChangeLog = field(default_factory=ChangeLog)

    async def run(self, stopping: asyncio.Event) -> None:
        """Ping until told to stop; the address may come and go meanwhile."""
        while not stopping.is_set():
            secret = self.address()
            if secret is None:
                self.problem = ""
            else:
                await self.ping(secret)
            await first_of(stopping.wait(), self.clock.sleep(PING_SECONDS))

    async def ping(self, secret: Secret) -> Ping:
        """Ping once, if all is well."""
        try:
            unwell = await self.well()
        except Exception as error:  # noqa: BLE001 - the silence says it, and the next minute is new
            unwell = type(error).__name__
        failure = "" if unwell else await self._ask(secret)
        self.problem = f"alive_url is not pinged: {unwell}" if unwell else failure
        if self._changes.changed("alive", self.problem):
            say = log.warning if self.problem else log.info
            say("sign of life", problem=self.problem or None)
        ping = Ping.WITHHELD if unwell else Ping.FAILED if failure else Ping.SENT
        self.counted(ping)
        return ping

    async def _ask(self, secret: Secret) -> str:
        """Send the ping; returns why it was not taken, without the address."""
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            async with self.session.get(secret.read(), timeout=timeout) as response:
                if response.status < 300:
                    return ""
                return f"alive_url answers {response.status}; is the address still right?"
        except SettingsError as error:
            return str(error)
        except (*FAILURES, ValueError) as error:
            return f"alive_url cannot be reached: {failed_exchange(error, repeatable=True).detail}"
        except Exception as error:  # noqa: BLE001 - whatever it says may hold the address
            return f"alive_url cannot be reached: {type(error).__name__}"
