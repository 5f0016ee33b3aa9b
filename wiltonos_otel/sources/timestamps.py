"""The two forms of time that a state file may state. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone

# RFC 3339 section 5.6, with the ``t``, ``z`` and blank that its notes allow; a zone is required
RFC3339 = (
    r"^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]"
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_rfc3339 = re.compile(RFC3339, re.ASCII)
# the last second of the year 9999
MAX_SECONDS = 253_402_300_799
_LEAP_SECOND = 60


def to_unix_ms(stated: float | str) -> int | None:
    """Unix time in milliseconds of an RFC 3339 text or of Unix seconds, rounded down.

    None when it is neither, or lies before 1970 or after 9999 (as milliseconds would).
    """
    if isinstance(stated, str):
        moment = _from_text(stated)
        return None if moment is None or moment < 0 else moment
    if not 0 <= stated <= MAX_SECONDS:
        return None
    # to the µs first: 0.123 as a double is a little less than 123 ms
    return round(stated * 1_000_000) // 1000


def format_rfc3339(time_ms: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"


def _from_text(text: str) -> int | None:
    match = _rfc3339.match(text)
    if match is None or text.endswith("\n"):
        return None
    *whole, fraction, zone = match.groups()
    year, month, day, hour, minute, second = (int(part) for part in whole)
    leap = second == _LEAP_SECOND
    try:
        start = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=_zone(zone))
    except ValueError:
        return None
    ms = int(f"{fraction or '.'}000"[1:4]) + (1000 if leap else 0)
    return (start - _EPOCH) // _MS + ms


def _zone(text: str) -> timezone:
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
