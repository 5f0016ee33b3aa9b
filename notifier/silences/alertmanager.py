"""A small client of Alertmanager's API, version 2."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import orjson

from notifier.silences.model import ListedAlert, Matcher, Silence, SilenceError, SilenceState

TIMEOUT = aiohttp.ClientTimeout(total=10.0, sock_connect=3.0)
MOST_BYTES = 32 * 1024 * 1024
_ALL = "active=true&silenced=true&inhibited=true&unprocessed=true"
_ERROR = 300
R = TypeVar("R")


class Alertmanager:
    """Silences and alerts of one Alertmanager; every method raises SilenceError when it fails.

    Args:
        session: carries the requests.
        base: URL of Alertmanager, for example ``http://127.0.0.1:9093``.
    """

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base.rstrip("/")

    async def create(self, silence: Silence) -> str:
        """Make a silence, or change the one that has this id; returns the id it has now."""
        answer = await self._ask("POST", "silences", _document(silence))
        if not isinstance(answer, dict) or not isinstance(answer.get("silenceID"), str):
            raise SilenceError(f"Alertmanager at {self._base} gives the silence no id")
        return str(answer["silenceID"])

    async def expire(self, silence_id: str) -> bool:
        """End a silence now; False when there was none to end."""
        path = f"silence/{quote(silence_id, safe='')}"
        return await self._ask("DELETE", path, missing=True) is not None

    async def silence(self, silence_id: str) -> Silence | None:
        """One silence; None when there is none."""
        found = await self._ask("GET", f"silence/{quote(silence_id, safe='')}", missing=True)
        return None if found is None else self._read(_silence, found)

    async def silences(self) -> Sequence[Silence]:
        """All silences that Alertmanager remembers, those that are over included."""
        return self._read(lambda raw: [_silence(each) for each in raw], await self._get("silences"))

    async def alerts(self) -> Mapping[str, ListedAlert]:
        """The alerts that fire now, by fingerprint."""
        raw = await self._get(f"alerts?{_ALL}")
        return self._read(lambda each: {a.fingerprint: a for a in map(_alert, each)}, raw)

    async def started_at(self) -> datetime:
        """Since when Alertmanager has been up; before, it did not know what fires."""
        raw = await self._get("status")
        return self._read(lambda each: _instant(each["uptime"]), raw)

    async def _get(self, path: str) -> Any:
        return await self._ask("GET", path)

    async def _ask(
        self, method: str, path: str, document: Any = None, *, missing: bool = False
    ) -> Any:
        """The decoded answer; None for a 404 where that is an answer."""
        url = f"{self._base}/api/v2/{path}"
        body = None if document is None else orjson.dumps(document)
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                answer = await self._body(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise SilenceError(
                f"Alertmanager at {self._base} cannot be reached: {reason}"
            ) from None
        if missing and status in (404, 410):
            return None
        if status != 200:
            said = answer.decode("utf-8", "replace").strip()[:_ERROR]
            raise SilenceError(f"Alertmanager at {self._base} answers {status}: {said}")
        return self._read(orjson.loads, answer) if answer.strip() else True

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MOST_BYTES:
                raise ValueError(f"the answer is larger than {MOST_BYTES} bytes")
            parts.append(chunk)
        return b"".join(parts)

    def _read(self, reader: Callable[[Any], R], raw: Any) -> R:
        try:
            return reader(raw)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise SilenceError(
                f"what answers at {self._base} is no Alertmanager with API version 2; "
                "check alertmanager_url in [notifier]"
            ) from None


def _document(silence: Silence) -> dict[str, Any]:
    document = {
        "matchers": [
            {"name": m.name, "value": m.value, "isRegex": m.is_regex, "isEqual": m.is_equal}
            for m in silence.matchers
        ],
        "startsAt": _written(silence.starts_at),
        "endsAt": _written(silence.ends_at),
        "createdBy": silence.created_by,
        "comment": silence.comment,
    }
    return {"id": silence.id, **document} if silence.id else document


def _silence(raw: Any) -> Silence:
    return Silence(
        id=raw["id"],
        matchers=tuple(
            Matcher(m["name"], m["value"], bool(m["isRegex"]), bool(m.get("isEqual", True)))
            for m in raw["matchers"]
        ),
        starts_at=_instant(raw["startsAt"]),
        ends_at=_instant(raw["endsAt"]),
        created_by=str(raw.get("createdBy", "")),
        comment=str(raw.get("comment", "")),
        state=SilenceState(raw["status"]["state"]),
    )


def _alert(raw: Any) -> ListedAlert:
    status = raw["status"]
    return ListedAlert(
        fingerprint=str(raw["fingerprint"]),
        silenced_by=tuple(status["silencedBy"] or ()),
        active=status["state"] == "active",
        starts_at=_instant(raw["startsAt"]),
        annotations=raw["annotations"],
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
