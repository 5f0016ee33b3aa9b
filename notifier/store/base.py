"""What the rest of the notifier asks of its database, and the values that go in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from notifier.alerts import Notification
from notifier.deliver.outcome import Receipt
from notifier.deliver.protocol import Operation
from notifier.incident import Incident, Phase, Reason
from notifier.incident.planner import Plan

# the operations that the outbox asks for
SENDING = frozenset({Operation.POST, Operation.EDIT, Operation.REPLY})
# Alertmanager cuts a request after its group_interval, 10 s at the least
COMMIT_SECONDS = 8.0


class RowState(StrEnum):
    """Where a row of the outbox stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class LetterKind(StrEnum):
    """What a dead letter failed at."""

    DELIVERY = "delivery"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Ingest:
    """A webhook to be accepted."""

    notification: Notification
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Allowance:
    """Which rows may be claimed now.

    Attributes:
        normal: what the budgets allow for any row.
        urgent: what they allow for rows that cannot wait.
        probing: also take a row that died with its destination, to see whether that is back.
    """

    normal: frozenset[Operation] = SENDING
    urgent: frozenset[Operation] = SENDING
    probing: bool = False


ANYTHING = Allowance()


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on a row, from when, and for how long at most."""

    owner: str
    now: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """An earlier attempt of which nothing is known: its message may have arrived."""

    operation: Operation
    revision: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of the outbox that this process may work on until its lease ends.

    Attributes:
        incident: the newest revision.
        operation: what is to be done next: post, edit or reply.
        delivered_revision: what the channel shows; 0 before the first message.
        ring_revision: the last revision that was worth a ring.
        rung_revision: the last revision that rang.
        receipt: where the living message is; None before the first.
        shown: what a channel that cannot edit was told last.
        doubt: an attempt that may or may not have arrived.
        attempts: failed attempts since the last success.
        reposts: how often doubt has made us send again since the last success.
        desired_at: when the oldest revision that is not delivered was accepted.
        due_at: when it was to be tried.
        urgent: whether it may use the budgets that are kept back.
        reasons: what has happened since it rang last; only with a reply.
        tried: trace contexts of the attempts since the last success, the oldest first.
    """

    incident: Incident
    channel: str
    owner: str
    operation: Operation
    delivered_revision: int
    ring_revision: int
    rung_revision: int
    receipt: Receipt | None
    shown: str
    doubt: Doubt | None
    attempts: int
    reposts: int
    desired_at: datetime
    due_at: datetime
    urgent: bool
    reasons: frozenset[Reason] = frozenset()
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A claimed row is settled: the channel shows the revision and rang for the other.

    Attributes:
        receipt: where the message is.
        shown: what a channel that cannot edit was told.
    """

    revision: int
    rung_revision: int
    receipt: Receipt
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """A claimed row is settled: try again.

    Attributes:
        spent: whether the attempt counts towards giving up.
        doubt: the message that may have arrived all the same.
        reposted: whether this attempt sent a message that an earlier one may have sent.
        receipt_lost: whether the message is gone, so that the next attempt posts anew.
        tried: trace contexts of the attempts so far.
    """

    at: datetime
    error: str
    spent: bool = True
    doubt: Doubt | None = None
    reposted: bool = False
    receipt_lost: bool = False
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dead:
    """A claimed row is settled: nothing more is tried until a person replays it."""

    reason: str
    error: str
    payload: str = ""


Settlement = Delivered | Later | Dead


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that a chat refused, kept for whoever mends it while its plain form was sent."""

    error: str
    payload: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """How a channel stands with an incident; for readers."""

    channel: str
    state: RowState
    revision: int
    receipt: Receipt | None
    attempts: int
    next_attempt_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident and its deliveries; for readers."""

    incident: Incident
    deliveries: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be delivered, or not be understood."""

    id: str
    kind: LetterKind
    incident_id: str | None
    channel: str | None
    reason: str
    attempts: int
    last_error: str
    created_at: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What all processes know of a channel.

    Attributes:
        stopped: whether the destination is dead; ``reason`` says why.
        not_before: nothing is sent before; None when it may be.
    """

    name: str
    stopped: bool
    reason: str
    since: datetime
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be delivered.

    Attributes:
        pending: rows by channel.
        oldest: when the oldest of them was accepted; None without any.
        dead_letters: letters by kind.
    """

    pending: Mapping[str, int]
    oldest: datetime | None
    dead_letters: Mapping[str, int]


class Store(Protocol):
    """The durable memory of the notifier; every method raises StoreError when it cannot be kept.

    What a method returns has been committed.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same rows."""
        ...

    @property
    def waiting(self) -> int:
        """How many webhooks wait for a commit."""
        ...

    async def accept(self, ingest: Ingest) -> Plan:
        """Commit a webhook: the step of its incident and the rows of the outbox, as one.

        Raises:
            BusyError: too many wait for their commit already.
            SlowError: not known after ``COMMIT_SECONDS``; it may be committed yet.
        """
        ...

    async def claim(
        self, channel: str, lease: Lease, allowance: Allowance = ANYTHING
    ) -> Claim | None:
        """Lease the most urgent row of a channel that is due and allowed, or None."""
        ...

    async def settle(
        self,
        claim: Claim,
        settlement: Settlement,
        now: datetime,
        refused: Refused | None = None,
    ) -> bool:
        """Say what became of a claim; False when the lease has been lost."""
        ...

    async def let_go(self, channel: str, owner: str) -> int:
        """End the lease of a claim that failed, and may have been committed all the same."""
        ...

    async def release(self) -> int:
        """End every lease, where no other process can hold one; returns how many there were."""
        ...

    async def hurry(self, channel: str, now: datetime, beyond_seconds: float = 0.0) -> int:
        """Make the rows of a channel due that wait for longer than that; returns how many."""
        ...

    async def next_due(self, channel: str) -> datetime | None:
        """When the next row of a channel becomes due; None without any."""
        ...

    async def incidents(
        self, *, phase: Phase | None = None, limit: int = 100, cursor: str | None = None
    ) -> tuple[Sequence[IncidentView], str | None]:
        """Incidents, the newest first, and the cursor of the next page."""
        ...

    async def incident(self, incident_id: str) -> IncidentView | None:
        """One incident."""
        ...

    async def add_ingest_letter(self, reason: str, detail: str, payload: str, now: datetime) -> str:
        """Keep a refused body; returns the id of the letter."""
        ...

    async def dead_letters(self, limit: int = 1000) -> Sequence[DeadLetter]:
        """Dead letters, the newest first."""
        ...

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter."""
        ...

    async def drop(self, letter_id: str) -> bool:
        """Remove a dead letter; False when there is none."""
        ...

    async def replay(self, letter_id: str, now: datetime) -> bool:
        """Let the delivery of a dead letter be tried again; False when there is none."""
        ...

    async def channel_states(self) -> Mapping[str, ChannelState]:
        """The channels that are stopped or paused, by name."""
        ...

    async def stop_channel(self, channel: str, reason: str, now: datetime) -> int:
        """Mark a destination as dead and turn its waiting rows into dead letters."""
        ...

    async def resume_channel(self, channel: str, now: datetime) -> int:
        """Mark a destination as alive and let its rows be tried again; returns how many."""
        ...

    async def pause_channel(self, channel: str, until: datetime, reason: str) -> None:
        """Send nothing to a channel before then."""
        ...

    async def retire_channels(self, configured: Sequence[str], now: datetime) -> int:
        """Close the rows of channels that are configured no more; returns how many."""
        ...

    async def backlog(self) -> Backlog:
        """What waits."""
        ...

    async def read_meta(self, key: str) -> str | None:
        """A remembered value."""
        ...

    async def write_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        ...

    async def prune(self, before: datetime, max_bytes: int) -> int:
        """Remove what is over and older, then the oldest beyond the size; returns how many."""
        ...

    async def close(self) -> None:
        """Commit what waits and let go of the database."""
        ...
