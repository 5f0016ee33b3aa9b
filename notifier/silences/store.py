"""What has to be remembered of silences: the key of the links, which are used, and our own."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.json import Decoder, encode
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from notifier.incident import Incident, Phase, QuietKind, Reason
from notifier.silences.ends import ReadEnd
from notifier.silences.following import Note
from notifier.silences.links import SignedLink
from notifier.store import queries
from notifier.store.amending import Change, amend
from notifier.store.documents import decode
from notifier.store.instants import to_micros
from notifier.store.sql import SqlStore
from notifier.store.tables import incidents, silences, used_links

KEY = "silence_link_key"
# meta key: the ends that were read from Alertmanager's list
READ_ENDS = "read_ends"
_ENDS = Decoder(tuple[ReadEnd, ...])
# the newest that fire; beyond this a storm is followed in parts
MOST_FOLLOWED = 1000


@dataclass
class SilenceStore:
    """The silences' part of the notifier's database; raises StoreError when it fails.

    Attributes:
        channels: the names of the configured channels.
    """

    store: SqlStore
    channels: Sequence[str]

    async def key(self) -> bytes:
        """The key of the links; made once, for all replicas."""
        return bytes.fromhex(await self.store.write(_key))

    async def use(self, link: SignedLink) -> bool:
        """Use a link up; False when it has been used before."""
        return await self.store.write(lambda c: _use(c, link))

    async def give_back(self, link: SignedLink) -> None:
        """Let a link be used again: what it was used for has failed."""
        gone = delete(used_links).where(used_links.c.nonce == link.nonce)
        await self.store.write(lambda c: c.execute(gone).rowcount)

    async def used(self, link: SignedLink) -> bool:
        """Whether a link has been used."""
        query = select(used_links.c.nonce).where(used_links.c.nonce == link.nonce)
        return await self.store.read(lambda c: c.execute(query).first() is not None)

    async def sweep(self, now: datetime) -> None:
        """Forget the used links whose time is over anyway."""
        gone = delete(used_links).where(used_links.c.expires_at < to_micros(now))
        await self.store.write(lambda c: c.execute(gone).rowcount)

    async def note(self, note: Note) -> None:
        """Remember a silence that was asked for here."""
        await self.store.write(lambda c: _note(c, note))

    async def forget(self, silence_id: str) -> None:
        """Remember it no more."""
        gone = delete(silences).where(silences.c.id == silence_id)
        await self.store.write(lambda c: c.execute(gone).rowcount)

    async def notes(self) -> Mapping[str, Note]:
        """The silences that were asked for here, by id."""
        rows = await self.store.read(lambda c: c.execute(select(silences)).all())
        return {row.id: Note(row.id, row.incident_id, QuietKind(row.kind)) for row in rows}

    async def firing(self) -> Sequence[Incident]:
        """The incidents that fire, the newest first."""
        return await self.store.read(_firing)

    async def read_ends(self) -> tuple[ReadEnd, ...]:
        """The ends that were read, the oldest first."""
        return await self.store.read(_read_ends)

    async def keep_ends(self, ends: tuple[ReadEnd, ...]) -> None:
        """Remember these and no others."""
        text = encode(ends).decode()
        await self.store.write(lambda c: queries.write_meta(c, READ_ENDS, text))

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        view = await self.store.read(lambda c: queries.one(c, incident_id))
        return view.incident if view else None

    async def amend(
        self, incident_id: str, change: Change, reason: Reason, now: datetime
    ) -> Incident | None:
        """Change an incident and let its channels show that; None when nothing was changed."""
        return await self.store.write(
            lambda c: amend(c, incident_id, change, reason=reason, channels=self.channels, now=now)
        )


def _key(connection: Connection) -> str:
    known = queries.read_meta(connection, KEY)
    if known is not None:
        return known
    made = secrets.token_hex(32)
    try:
        with connection.begin_nested():
            queries.write_meta(connection, KEY, made)
    except IntegrityError:
        # another replica was quicker
        return queries.read_meta(connection, KEY) or made
    return made


def _read_ends(connection: Connection) -> tuple[ReadEnd, ...]:
    known = queries.read_meta(connection, READ_ENDS)
    return _ENDS.decode(known) if known else ()


def _use(connection: Connection, link: SignedLink) -> bool:
    row = {"nonce": link.nonce, "expires_at": to_micros(link.expires_at)}
    try:
        with connection.begin_nested():
            connection.execute(insert(used_links), row)
    except IntegrityError:
        return False
    return True


def _note(connection: Connection, note: Note) -> None:
    connection.execute(delete(silences).where(silences.c.id == note.id))
    row = {"id": note.id, "incident_id": note.incident_id, "kind": note.kind.value}
    connection.execute(insert(silences), row)


def _firing(connection: Connection) -> Sequence[Incident]:
    query = (
        select(incidents.c.document)
        .where(incidents.c.phase == Phase.FIRING.value)
        .order_by(incidents.c.id.desc())
        .limit(MOST_FOLLOWED)
    )
    return [decode(document) for document in connection.execute(query).scalars()]
