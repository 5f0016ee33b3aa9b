"""The diary in its file, for commands while no service runs."""

from collections.abc import Mapping
from typing import Self

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.longevity.answers import PROGRAM, Json, info_json, page_json, single_json
from wiltonos_otel.longevity.dose import NewDose, check_notes
from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.requests import parse_query
from wiltonos_otel.settings import Settings
from wiltonos_service.settings import Loaded


def open_ledger(loaded: Loaded[Settings]) -> Ledger:
    """The diary that ``[longevity]`` names.

    Raises:
        LedgerError: another process has it open, or it cannot be opened.
    """
    return Ledger(loaded.database_url(loaded.settings.longevity.database), SystemClock())


def open_diary(loaded: Loaded[Settings]) -> "LocalDiary":
    """The diary that ``[longevity]`` names, to be asked like the service.

    Raises:
        LedgerError: another process has it open, or it cannot be opened.
    """
    return LocalDiary(open_ledger(loaded))


class LocalDiary:
    """The diary in a file that no service has open.

    Args:
        ledger: closed at the end of the ``async with``.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ledger.close()

    async def record(self, new: NewDose, key: str) -> Json:
        """Write a dose down."""
        dose, _replayed = self._ledger.record(new, key)
        return single_json(dose)

    async def withdraw(self, identity: int, reason: str) -> Json:
        """Take a dose back."""
        dose, _again = self._ledger.withdraw(identity, check_notes(reason, "reason"))
        return single_json(dose)

    async def get(self, identity: int) -> Json:
        """One dose."""
        return single_json(self._ledger.get(identity))

    async def find(self, parameters: Mapping[str, str]) -> Json:
        """A page of doses."""
        query = parse_query(parameters)
        return page_json(self._ledger.find(query), query)

    async def info(self) -> Json:
        """Sums."""
        return info_json(self._ledger.totals(), PROGRAM)
