"""Works one claimed row: sends what it wants, where anything is wanted, and settles it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson
import structlog

from notifier import killpoints
from notifier.beside import are_many, beside
from notifier.clock import Clock
from notifier.deliver.backoff import Backoff
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import Operation, Rendered
from notifier.dispatch.gate import Turn
from notifier.dispatch.outlet import Outlet, marker
from notifier.dispatch.settling import delivered, settle, told, worth_telling
from notifier.errors import StoreError
from notifier.instruments import Instruments, LimitedBy
from notifier.store.base import Claim, Delivered, Later, Refused, Settlement, Store
from notifier.store.digests import BY_DIGEST
from notifier.traces import OFF, Traces, Trail, ended

log = structlog.get_logger(__name__)

# longer than every deliverer takes to give up on a request
LEASE_SECONDS = 60.0
# a row that would have to wait longer is given back, so that a more urgent one can go first
PATIENCE_SECONDS = 5.0
STORE_RETRY_SECONDS = 1.0
BACKOFF = Backoff(cap_seconds=60.0, give_up_seconds=24 * 3600.0)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How an attempt ended."""

    settlement: Settlement
    outcome: Outcome | None = None
    refused: Refused | None = None
    needless: bool = False


@dataclass(slots=True)
class Standing:
    """What the digest of a channel does, as its worker has to know it.

    Attributes:
        shown: it tells of what ends before its turn comes.
        sending: it is about to send, and no further row may take the budget that it waits for.
    """

    shown: bool = False
    sending: bool = False


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """The attempts of one channel; as many may be under way at once as the caller likes.

    Attributes:
        outlet: the channel.
        store: where the settlement is written.
        clock: the time.
        instruments: counts what happens.
        store_failed: told of a database that could not take the settlement, each time.
        backoff: how long to wait after a failure that passes.
        rng: the jitter of the waits.
        traces: makes a span of each request.
        standing: what the digest of the channel does.
    """

    outlet: Outlet
    store: Store
    clock: Clock
    instruments: Instruments
    store_failed: Callable[[StoreError], None] = lambda _error: None
    backoff: Backoff = BACKOFF
    rng: random.Random = field(default_factory=random.Random)
    traces: Traces = OFF
    standing: Standing = field(default_factory=Standing)

    async def work(self, claim: Claim) -> Outcome | None:
        """Bring a claim to its settlement, which is committed on return.

        Returns the chat's answer; None where nothing was sent.
        """
        trail = self.traces.trail(claim, self.outlet.chat.value)
        # until the receipt is committed a kill leaves the message in doubt
        with self.outlet.turn(claim.operation) as turn:
            attempt = await self._attempt(claim, trail, turn)
            killpoints.reached(killpoints.AFTER_SEND)
            now = self.clock.now()
            kept = await self._settle(
                claim, replace(attempt, settlement=trail.kept(attempt.settlement))
            )
            killpoints.reached(killpoints.AFTER_RECEIPT)
        if kept and not attempt.needless:
            await beside(
                [claim.incident], lambda: self._count_delivery(claim, attempt.settlement, now)
            )
        return attempt.outcome

    def _count_delivery(self, claim: Claim, settlement: Settlement, now: datetime) -> None:
        """Count what a reader sees first now; a reply shows what an edit has shown before."""
        if not isinstance(settlement, Delivered):
            return
        if settlement.revision <= claim.delivered_revision:
            return
        waited = (now - claim.desired_at).total_seconds()
        since = [
            (now - alert.starts_at).total_seconds()
            for alert in claim.incident.firing
            if alert.seen_at is not None and alert.seen_at >= claim.desired_at
        ]
        self.instruments.delivered(self.outlet.name, waited, since)

    async def _settle(self, claim: Claim, attempt: _Attempt) -> bool:
        """Write the settlement down; it is not given up while the database is away."""
        while True:
            try:
                kept = await self.store.settle(
                    claim, attempt.settlement, self.clock.now(), attempt.refused
                )
                break
            except StoreError as error:
                self.store_failed(error)
                await self.clock.sleep(STORE_RETRY_SECONDS)
        if not kept:
            log.warning("lease lost", channel=self.outlet.name, incident=claim.incident.id)
        return kept

    async def _attempt(self, claim: Claim, trail: Trail, turn: Turn) -> _Attempt:
        claimed_at = self.clock.monotonic()
        if (settlement := self._needless(claim)) is not None:
            return _Attempt(settlement, needless=True)
        if (settlement := await self._found(claim)) is not None:
            return _Attempt(settlement)
        # before the budget: nothing is awaited between that and the request
        large = await self._message(claim) if are_many([claim.incident]) else None
        wait = await self._await_budget(claim, turn)
        if wait > 0 or self.clock.monotonic() - claimed_at > LEASE_SECONDS / 2:
            at = self.clock.now() + timedelta(seconds=wait)
            return _Attempt(Later(at, "waits for the rate limit", spent=False, doubt=claim.doubt))
        if claim.doubt is not None and claim.doubt.operation is not Operation.EDIT:
            self.instruments.duplicate_possible(self.outlet.name)
        message = large or await self._message(claim)
        outcome = await self._send(claim, message, trail)
        refused = None
        if outcome.kind is OutcomeKind.PAYLOAD_REFUSED:
            # say it plainly at once, and keep what was refused for whoever mends it
            payload = orjson.dumps(message.payload, default=str).decode()
            refused = Refused(outcome.detail, payload)
            plain = Rendered(message.plain, message.plain, message.marker)
            outcome = await self._send(claim, plain, trail)
        settlement = settle(claim, outcome, self.clock.now(), self.backoff, self.rng)
        return _Attempt(settlement, outcome, refused)

    async def _message(self, claim: Claim) -> Rendered:
        now = self.clock.now()
        return await beside(
            [claim.incident],
            lambda: self.outlet.message(claim.incident, claim.operation, now, claim.reasons),
        )

    def _needless(self, claim: Claim) -> Settlement | None:
        """A settlement without sending, where there is nothing to say."""
        if claim.operation is Operation.REPLY and (
            not claim.incident.firing or claim.rung_revision >= claim.ring_revision
        ):
            return delivered(claim, None)
        if self._digest_tells(claim):
            rung = max(claim.incident.revision, claim.ring_revision)
            return Delivered(claim.incident.revision, rung, Receipt("", ""), BY_DIGEST)
        if self.outlet.deliverer.can_edit or not claim.shown:
            return None
        if worth_telling(claim.shown, claim.incident):
            return None
        revision = claim.incident.revision
        rung, nowhere = max(revision, claim.ring_revision), Receipt("", "")
        return Delivered(revision, rung, claim.receipt or nowhere, claim.shown)

    def _digest_tells(self, claim: Claim) -> bool:
        """Whether it ended before it had a message, and the digest says so."""
        unseen = claim.delivered_revision == 0 or claim.shown == BY_DIGEST
        if claim.receipt is not None or claim.doubt is not None or not unseen:
            return False
        return not claim.incident.firing and (claim.shown == BY_DIGEST or self.standing.shown)

    async def _found(self, claim: Claim) -> Settlement | None:
        """The settlement for a message whose outcome was unknown and that did arrive."""
        doubt = claim.doubt
        if doubt is None or doubt.operation is Operation.EDIT:
            return None
        living = claim.receipt if doubt.operation is Operation.REPLY else None
        if doubt.operation is Operation.REPLY and living is None:
            # the message that it was below is gone
            return None
        mark = marker(claim.incident.id, doubt.revision, doubt.operation)
        found = await self.outlet.deliverer.find(mark, living)
        if found is None:
            return None
        log.info("message found again", channel=self.outlet.name, incident=claim.incident.id)
        if living is not None:
            rung = min(doubt.revision, claim.ring_revision)
            return Delivered(claim.delivered_revision, rung, living)
        return Delivered(doubt.revision, doubt.revision, found, told(claim.incident))

    async def _await_budget(self, claim: Claim, turn: Turn) -> float:
        """Another lane, or looking for a message, may have spent what was there at the claim.

        Returns what is left to wait when that is too long to hold the row; else it is its turn.
        """
        deliverer = self.outlet.deliverer
        while True:
            at = deliverer.next_allowed(claim.operation, urgent=claim.urgent)
            wait = at - self.clock.monotonic()
            if wait > PATIENCE_SECONDS:
                return wait
            if wait <= 0:
                if await turn.take(urgent=claim.urgent):
                    # the budget may have been spent meanwhile
                    continue
                return 0.0
            turn.end()
            await self.clock.sleep(wait)
            self.instruments.rate_limited(self.outlet.name, LimitedBy.BUDGET, wait)

    async def _send(self, claim: Claim, message: Rendered, trail: Trail) -> Outcome:
        deliverer = self.outlet.deliverer
        receipt = claim.receipt or Receipt("", "")
        with trail.attempt() as span:
            match claim.operation:
                case Operation.EDIT:
                    outcome = await deliverer.edit(receipt, message)
                case Operation.REPLY:
                    outcome = await deliverer.reply(receipt, message)
                case _:
                    outcome = await deliverer.post(message)
            ended(span, outcome)
        self.instruments.attempt(self.outlet.name, outcome.kind)
        return outcome
