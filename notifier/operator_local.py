"""What an operator may ask of the database, while no service runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from notifier.building import make_planner
from notifier.clock import SystemClock
from notifier.errors import NotifierError
from notifier.incident import Phase
from notifier.ingest.replaying import replay
from notifier.settings import Settings
from notifier.store import Store, open_store
from notifier.web.documents import incident_document, letter_document
from wiltonos_service.settings import Loaded

Document = dict[str, Any]


class Local:
    """Works on the database while no service does; the lock keeps it so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clock = SystemClock()

    async def incidents(self, phase: str | None, limit: int, cursor: str | None) -> Document:
        """The document of ``GET /api/v1/incidents``."""
        wanted = Phase(phase) if phase else None
        views, following = await self._store.incidents(phase=wanted, limit=limit, cursor=cursor)
        documents = [incident_document(view) for view in views]
        return {"incidents": documents, "next_cursor": following}

    async def letters(self) -> Document:
        """The document of ``GET /api/v1/dead-letters``."""
        letters = await self._store.dead_letters()
        return {"dead_letters": [letter_document(letter) for letter in letters]}

    async def letter(self, letter_id: str) -> Document:
        """The document of ``GET /api/v1/dead-letters/{id}``."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise NotifierError(f"there is no dead letter {letter_id}")
        return letter_document(letter, whole=True)

    async def replay(self, letter_id: str) -> None:
        """Make the delivery due; the service sends it when it runs again."""
        if not await replay(self._store, letter_id, self._clock.now()):
            raise NotifierError(f"there is no dead letter {letter_id}")

    async def drop(self, letter_id: str) -> None:
        """Remove a dead letter."""
        if not await self._store.drop(letter_id):
            raise NotifierError(f"there is no dead letter {letter_id}")

    async def reload(self) -> Document:
        """Refused: nothing runs that could."""
        raise NotifierError("no notifier runs here; the next start reads the configuration anyway")


@asynccontextmanager
async def open_local(loaded: Loaded[Settings]) -> AsyncIterator[Local]:
    """The database of the configuration, locked meanwhile.

    Raises:
        NotifierError: there is none, it cannot be opened, or a service has it.
    """
    url = loaded.database_url(loaded.settings.notifier.database)
    # asked for what is there, it must not make an empty one
    if missing := _missing(url):
        raise NotifierError(
            f"no notifier answers at {loaded.settings.notifier.listen}, and there is no {missing}; "
            "start one with wt notifier run, or name its configuration with --config"
        )
    store = await open_store(url, make_planner(loaded))
    try:
        yield Local(store)
    finally:
        await store.close()


def _missing(url: str) -> str:
    """The file of a SQLite database that is not there; "" for any other."""
    file = make_url(url).database if url.startswith("sqlite") else None
    return file if file and file != ":memory:" and not Path(file).exists() else ""
