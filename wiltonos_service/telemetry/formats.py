"""Which text format a scraper gets: content negotiation as RFC 9110 section 12.5.1 has it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

# a comma inside a quoted parameter value separates nothing; a quote that nobody closes reaches to
# the end, or whoever sends many of them would have the rest read again from each
_QUOTED = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_RANGES = re.compile(rf'(?:[^,"]|{_QUOTED})+', re.DOTALL)
_PARAMETERS = re.compile(rf'(?:[^;"]|{_QUOTED})+', re.DOTALL)
# what is beyond is not read: no scraper says so much, and all of it is read on an event loop
MAX_LENGTH = 8192


class Format(Enum):
    """The formats, the preferred one first where a scraper has no preference.

    Names are always plain ASCII, so that every escaping scheme would give the same text.
    """

    TEXT_0_0_4 = ("text", "plain", "0.0.4", "text/plain; version=0.0.4; charset=utf-8")
    TEXT_1_0_0 = (
        "text",
        "plain",
        "1.0.0",
        "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
    )
    OPENMETRICS_1_0_0 = (
        "application",
        "openmetrics-text",
        "1.0.0",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
    )

    def __init__(self, kind: str, subtype: str, version: str, content_type: str) -> None:
        self.kind = kind
        self.subtype = subtype
        self.version = version
        self.content_type = content_type

    @property
    def openmetrics(self) -> bool:
        """Whether this is OpenMetrics: exemplars, UNIT, EOF, counters without ``_total``."""
        return self is Format.OPENMETRICS_1_0_0


@dataclass(frozen=True, slots=True)
class _Range:
    kind: str
    subtype: str
    version: str
    q: float
    position: int

    def matches(self, format_: Format) -> bool:
        return (
            self.kind in ("*", format_.kind)
            and self.subtype in ("*", format_.subtype)
            and self.version in ("", format_.version)
        )

    @property
    def specificity(self) -> tuple[bool, bool, bool]:
        return self.kind != "*", self.subtype != "*", bool(self.version)


def negotiate(accept: str) -> Format:
    """The format that an ``Accept`` header likes best; 0.0.4 where it likes none of ours.

    The most specific range decides about a format; the highest q wins, then the order of the
    header. A scraper that understands nothing of ours gets the oldest format rather than an
    error, as with every other exporter.
    """
    ranges = list(_parse(accept))
    best, best_rank = Format.TEXT_0_0_4, (0.0, 0)
    for format_ in Format:
        matching = [range_ for range_ in ranges if range_.matches(format_)]
        if not matching:
            continue
        deciding = max(matching, key=lambda range_: (range_.specificity, -range_.position))
        rank = (deciding.q, -deciding.position)
        if deciding.q > 0 and (best_rank[0] == 0 or rank > best_rank):
            best, best_rank = format_, rank
    return best


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header lets gzip through."""
    weights = {range_.kind: range_.q for range_ in _parse(accept_encoding)}
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _parse(header: str) -> Iterator[_Range]:
    for position, text in enumerate(_RANGES.findall(header[:MAX_LENGTH])):
        value, *raw = [part.strip() for part in _PARAMETERS.findall(text)] or [""]
        given = dict(_parameter(part) for part in raw)
        kind, _, subtype = value.lower().partition("/")
        yield _Range(kind, subtype, given.get("version", ""), _weight(given.get("q")), position)


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _weight(text: str | None) -> float:
    """A q-value; what is none counts as 0, so that nonsense is never preferred."""
    if text is None:
        return 1.0
    try:
        q = float(text)
    except ValueError:
        return 0.0
    return q if 0 <= q <= 1 else 0.0
