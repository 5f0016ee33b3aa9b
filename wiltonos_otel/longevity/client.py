"""Asks the diary for the command line: over HTTP where the service runs, else in the file."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.longevity.access import make_token
from wiltonos_otel.longevity.answers import SERVICE, Json, request_json
from wiltonos_otel.longevity.dose import NewDose
from wiltonos_otel.settings import Settings
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret
from wiltonos_service.settings import Loaded

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to ask, not to listen
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=2)


class DiaryClient(Protocol):
    """What the commands ask; the answers are the API's JSON."""

    async def record(self, new: NewDose, key: str) -> Json:
        """Write a dose down."""
        ...

    async def withdraw(self, identity: int, reason: str) -> Json:
        """Take a dose back."""
        ...

    async def get(self, identity: int) -> Json:
        """One dose."""
        ...

    async def find(self, parameters: Mapping[str, str]) -> Json:
        """A page of doses."""
        ...

    async def info(self) -> Json:
        """Sums."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


async def find_diary(loaded: Loaded[Settings]) -> DiaryClient:
    """The running service, else the file, which is locked meanwhile.

    Raises:
        WiltonosError: something else answers at the address, or the file is in use.
    """
    listen = Listen.parse(loaded.settings.longevity.listen)
    address = Listen(ANY_HOST.get(listen.host, listen.host), listen.port)
    remote = RemoteDiary(f"http://{address}", make_token(loaded))
    if await remote.runs():
        return remote
    # the database library takes longer to load than the service to answer
    from wiltonos_otel.longevity.local import open_diary  # noqa: PLC0415 - see above

    return open_diary(loaded)


class RemoteDiary:
    """The diary behind a running service.

    Args:
        url: its base URL.
        token: the bearer token, or None.
    """

    def __init__(self, url: str, token: Secret | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token.read()}"} if token else {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is held between two questions."""

    async def runs(self) -> bool:
        """Whether the service answers.

        Raises:
            WiltonosError: something else does.
        """
        try:
            answer = await self._ask("GET", "/-/healthy")
        except (aiohttp.ClientConnectorError, TimeoutError):
            return False
        except (aiohttp.ClientError, ValueError):
            answer = {}
        if answer.get("service") != SERVICE:
            raise WiltonosError(
                f"{self._url} is answered by another program; give the address of the "
                "Longevity API as [longevity] listen, or move all ports with --port-offset N"
            )
        return True

    async def record(self, new: NewDose, key: str) -> Json:
        """Write a dose down."""
        headers = {"Idempotency-Key": key}
        return await self._checked(
            "POST", "/longevity/dose", json=request_json(new), headers=headers
        )

    async def withdraw(self, identity: int, reason: str) -> Json:
        """Take a dose back."""
        path = f"/longevity/doses/{identity}"
        return await self._checked("DELETE", path, params={"reason": reason} if reason else {})

    async def get(self, identity: int) -> Json:
        """One dose."""
        return await self._checked("GET", f"/longevity/doses/{identity}")

    async def find(self, parameters: Mapping[str, str]) -> Json:
        """A page of doses."""
        return await self._checked("GET", "/longevity/doses", params=parameters)

    async def info(self) -> Json:
        """Sums."""
        return await self._checked("GET", "/longevity/info")

    async def _checked(self, method: str, path: str, **options: Any) -> Json:
        try:
            answer = await self._ask(method, path, **options)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or "no answer in time"
            raise WiltonosError(
                f"{self._url}: {reason}; see with wt longevity list what was recorded"
            ) from None
        if "error" in answer:
            raise WiltonosError(str(answer["error"]))
        return answer

    async def _ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> Json:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.request(
                method, self._url + path, headers={**self._headers, **(headers or {})}, **options
            ) as response,
        ):
            answer = await response.json()
        return answer if isinstance(answer, dict) else {}
