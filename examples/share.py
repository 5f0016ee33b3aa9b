"""Φ of a service that answers requests: the share of the newest ones that went well."""

from collections import deque

import wiltonos_otel

NEWEST = 200


class Share:
    """Remembers how the newest requests ended, and sets Φ after each."""

    def __init__(self) -> None:
        self._ended: deque[bool] = deque(maxlen=NEWEST)

    def ended(self, well: bool) -> None:
        """A request came to its end."""
        self._ended.append(well)
        wiltonos_otel.coherence.set(sum(self._ended) / len(self._ended))
