"""What an operator may ask: of the running service, or of its database while none runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp

from notifier.errors import NotifierError
from notifier.settings import Settings
from wiltonos_service.listen import Listen
from wiltonos_service.settings import Loaded

Document = dict[str, Any]
TIMEOUT_SECONDS = 30.0


class Operator(Protocol):
    """The same answers, wherever they come from."""

    async def incidents(self, phase: str | None, limit: int, cursor: str | None) -> Document:
        """The document of ``GET /api/v1/incidents``."""
        ...

    async def letters(self) -> Document:
        """The document of ``GET /api/v1/dead-letters``."""
        ...

    async def letter(self, letter_id: str) -> Document:
        """The document of ``GET /api/v1/dead-letters/{id}``."""
        ...

    async def replay(self, letter_id: str) -> None:
        """Try a dead letter again."""
        ...

    async def drop(self, letter_id: str) -> None:
        """Remove a dead letter."""
        ...

    async def reload(self) -> Document:
        """Take the configuration anew; the document of ``POST /-/reload``."""
        ...


class Remote:
    """Asks the running service over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def incidents(self, phase: str | None, limit: int, cursor: str | None) -> Document:
        """The document of ``GET /api/v1/incidents``."""
        given = {"phase": phase, "limit": str(limit), "cursor": cursor}
        return await self._ask("GET", "incidents", {k: v for k, v in given.items() if v})

    async def letters(self) -> Document:
        """The document of ``GET /api/v1/dead-letters``."""
        return await self._ask("GET", "dead-letters")

    async def letter(self, letter_id: str) -> Document:
        """The document of ``GET /api/v1/dead-letters/{id}``."""
        return await self._ask("GET", f"dead-letters/{quote(letter_id, safe='')}")

    async def replay(self, letter_id: str) -> None:
        """Try a dead letter again."""
        await self._ask("POST", f"dead-letters/{quote(letter_id, safe='')}/replay")

    async def drop(self, letter_id: str) -> None:
        """Remove a dead letter."""
        await self._ask("DELETE", f"dead-letters/{quote(letter_id, safe='')}")

    async def reload(self) -> Document:
        """The document of ``POST /-/reload``."""
        return await self._ask("POST", "/-/reload")

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None
    ) -> Document:
        url = self._base + (path if path.startswith("/") else f"/api/v1/{path}")
        try:
            async with self._session.request(method, url, params=query) as response:
                status, document = response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise NotifierError(f"the notifier at {self._base} does not answer: {reason}") from None
        if status == 401:
            raise NotifierError(
                f"the notifier at {self._base} refuses our token; "
                "set the same bearer_token_file in [notifier] here and there"
            )
        if status != 200 or not isinstance(document, dict):
            said = document.get("error") if isinstance(document, dict) else None
            raise NotifierError(f"the notifier at {self._base}: {said or f'HTTP {status}'}")
        return document


@asynccontextmanager
async def open_operator(loaded: Loaded[Settings]) -> AsyncIterator[Operator]:
    """The running service; its database when there is none.

    Raises:
        NotifierError: neither can be reached.
    """
    table = loaded.settings.notifier
    listen = Listen.parse(table.listen)
    base = f"http://{listen.here}"
    token = table.token(loaded)
    headers = {"Authorization": f"Bearer {token.read()}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        if await _answers(session, base):
            yield Remote(session, base)
            return
    # the database library takes longer to load than the service to answer
    from notifier.operator_local import open_local  # noqa: PLC0415 - see above

    async with open_local(loaded) as local:
        yield local


async def _answers(session: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with session.get(f"{base}/-/healthy"):
            return True
    except aiohttp.ClientConnectorError:
        return False
    except (aiohttp.ClientError, TimeoutError):
        return True
