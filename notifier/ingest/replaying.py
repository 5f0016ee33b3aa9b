"""What replaying a dead letter means for each kind of them."""

from datetime import datetime

from notifier.ingest.payload import parse
from notifier.store.base import Ingest, LetterKind, Store


async def replay(store: Store, letter_id: str, now: datetime) -> bool:
    """Let a delivery be tried again, or take a refused body in after all.

    Returns False when there is no such letter.

    Raises:
        PayloadError: the body still cannot be understood; the letter stays.
        StoreError: the database cannot do it.
    """
    letter = await store.dead_letter(letter_id)
    if letter is None:
        return False
    if letter.kind is LetterKind.INGEST:
        body = letter.payload.encode()
        await store.accept(Ingest(parse(body), body, now))
    return await store.replay(letter_id, now)
