"""What ``/metrics`` is made of: a rendered scrape, and the protocol of what renders it."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.sdk.metrics.export import MetricReader

from wiltonos_service.telemetry.garbage import resume

# how long a scrape waits for one before it, whose callbacks may hang: Prometheus' own patience
# unless somebody changed it (scrape_timeout), and the SDK's with a collection
PATIENCE_SECONDS = 10.0

# 16 + the window: zlib then writes a gzip header, without a time, so that equal text is equal
_GZIP = 16 + zlib.MAX_WBITS
# on 10,000 series a third of the time of the default, at 1.2 times the size
_LEVEL = 1


class ScrapeUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """There is nothing to scrape now: no provider yet, not any more, or a callback that hangs."""


def hanging() -> ScrapeUnavailable:
    """What to raise when a scrape has waited for long enough; garbage is collected again."""
    resume()
    return ScrapeUnavailable(
        f"a scrape has been under way for more than {PATIENCE_SECONDS:g} s: a callback hangs"
    )


@dataclass(frozen=True, slots=True)
class Exposition:
    """One rendered scrape.

    Attributes:
        content_type: the value of the Content-Type header.
        body: the text, encoded.
        gzip: the body is compressed.
    """

    content_type: str
    body: bytes
    gzip: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an answer with this body."""
        headers = {"Content-Type": self.content_type, "Vary": "Accept, Accept-Encoding"}
        return headers | ({"Content-Encoding": "gzip"} if self.gzip else {})

    def gzipped(self) -> "Exposition":
        """The same, compressed; other threads run meanwhile."""
        squeeze = zlib.compressobj(_LEVEL, wbits=_GZIP)
        body = squeeze.compress(self.body) + squeeze.flush()
        return Exposition(self.content_type, body, gzip=True)


class ScrapeReader(Protocol):
    """A metric reader that renders; ``render`` may be slow and is called off the event loop.

    Not safe against itself: callers render one at a time (``ScrapeEndpoint`` does).
    """

    @property
    def reader(self) -> MetricReader:
        """What the provider is given."""
        ...

    def render(self, accept: str, names: Collection[str] = ()) -> Exposition:
        """All metrics, in the best format that an ``Accept`` header allows.

        Args:
            accept: the header.
            names: families or samples to show; empty shows all.

        Raises:
            ScrapeUnavailable: there is nothing to scrape now.
        """
        ...
