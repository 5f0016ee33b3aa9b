"""One message for many incidents while a channel's backlog is long."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from notifier import killpoints
from notifier.beside import beside
from notifier.clock import Clock, first_of
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import Operation, Rendered
from notifier.dispatch.attempts import LEASE_SECONDS, Standing
from notifier.dispatch.outlet import Outlet
from notifier.errors import StoreError
from notifier.instruments import Instruments
from notifier.store import SqlStore, digests
from notifier.store.digests import Contents, DigestState, Episode, Waiting
from notifier.store.instants import to_micros
from wiltonos_service.logs import ChangeLog

log = structlog.get_logger(__name__)

R = TypeVar("R")
LOOK_SECONDS = 2.0
# an edit costs as much as a post on Discord, and a reader reads no faster
EDIT_SECONDS = 20.0
# how long a request may wait for its budget before it is given up until the next look
PATIENCE_SECONDS = 10.0


@dataclass
class ChannelDigest:
    """Watches the backlog of one channel; one episode has one digest that is kept true.

    A post whose outcome is unknown and that cannot be found is repeated once, while the backlog
    is long still: an episode has two at most, and the first of them is counted as doubled.

    Attributes:
        after_seconds: how long the limits of the chat must hold the backlog back; 0 = never.
        able: whether the channel delivers at all.
        owner: identifies this worker.
        standing: what it does, for the worker to know.
        wake: called when the worker may go on.
    """

    outlet: Outlet
    store: SqlStore
    clock: Clock
    owner: str
    instruments: Instruments
    after_seconds: Callable[[], float]
    able: Callable[[], bool] = lambda: True
    standing: Standing = field(default_factory=Standing)
    wake: Callable[[], None] = lambda: None
    _edited_at: float = 0.0
    _said: Rendered | None = None
    _changes: ChangeLog = field(default_factory=ChangeLog)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until told to stop."""
        while not stopping.is_set():
            try:
                await self.look()
                self._changes.changed("look", "")
            except StoreError as error:
                if self._changes.changed("look", str(error)):
                    log.warning("digest waits for the database", error=str(error))
            except Exception:
                # a defect here must cost nothing but the digest
                log.exception("digest failed", channel=self.outlet.name)
            await first_of(stopping.wait(), self.clock.sleep(LOOK_SECONDS))
        await self._hand_over()

    async def look(self) -> None:
        """Begin, change or end the digest, if that is due.

        Raises:
            StoreError: the database is away.
        """
        name = self.outlet.name
        known, waits = await self.store.read(
            lambda c: (digests.episode(c, name), digests.waiting(c, name))
        )
        self.standing.shown = (
            known is not None
            and known.state is DigestState.SHOWN
            and known.receipt.editable
            and self.outlet.deliverer.can_edit
        )
        if not self.able():
            return
        if known is None:
            if self._too_long(waits):
                await self._alone(self._begin(waits))
            return
        mine = await self._hold(known)
        if mine is not None:
            await self._care(mine, waits)

    async def _alone(self, work: Coroutine[Any, Any, R]) -> R:
        """Send something while the worker starts nothing, which would take the budget away."""
        self.standing.sending = True
        try:
            return await work
        finally:
            self.standing.sending = False
            self.wake()

    def _too_long(self, waits: Waiting) -> bool:
        """Whether the backlog is long, and what is critical has its message or is too much, too."""
        bound = self.after_seconds()
        if bound <= 0 or not waits.first_id or self._takes(waits.count) <= bound:
            return False
        return waits.critical == 0 or self._takes(waits.critical) > bound

    def _takes(self, count: int) -> float:
        return self.outlet.deliverer.seconds_for(Operation.POST, count)

    async def _begin(self, waits: Waiting) -> None:
        if not await self._budget(Operation.POST):
            return
        made = Episode(waits.first_id, DigestState.SENDING, self.owner, self._lease())
        if not await self._swap(None, made):
            return
        killpoints.reached(killpoints.DIGEST_BEGUN)
        await self._send(made, None)

    async def _repeat(self, unsure: Episode) -> None:
        """Send one more, which can be kept true; the first may have arrived, too."""
        if not await self._budget(Operation.POST):
            return
        made = replace(unsure, state=DigestState.SENDING, again=True)
        if await self._swap(unsure, made):
            await self._send(made, unsure)

    async def _send(self, made: Episode, before: Episode | None) -> None:
        """Post the digest; what did not arrive leaves the state before it."""
        message = await self._message(made)
        with self.outlet.turn(Operation.POST) as turn:
            await turn.take(urgent=True)
            if not await self._budget(Operation.POST):
                await self._swap(made, before)
                return
            if made.again:
                self.instruments.duplicate_possible(self.outlet.name)
            outcome = await self._plainly(await self._post(message), message)
            killpoints.reached(killpoints.DIGEST_SENT)
            await self._posted(made, outcome, message, before)

    async def _post(self, message: Rendered) -> Outcome:
        outcome = await self.outlet.deliverer.post(message)
        self.instruments.attempt(self.outlet.name, outcome.kind)
        return outcome

    async def _plainly(self, outcome: Outcome, message: Rendered) -> Outcome:
        if outcome.kind is not OutcomeKind.PAYLOAD_REFUSED or not await self._budget(
            Operation.POST
        ):
            return outcome
        return await self._post(Rendered(message.plain, message.plain, message.marker))

    async def _posted(
        self, made: Episode, outcome: Outcome, message: Rendered, before: Episode | None
    ) -> None:
        match outcome.kind:
            case OutcomeKind.DELIVERED:
                await self._show(made, outcome.receipt or Receipt("", ""), message)
            case OutcomeKind.UNKNOWN:
                await self._find(made)
            case OutcomeKind.PAYLOAD_REFUSED:
                await self._swap(made, replace(made, state=DigestState.LOST))
            case _:
                # it did not arrive: the next look tries again
                await self._swap(made, before)

    async def _show(self, made: Episode, receipt: Receipt, message: Rendered | None) -> None:
        self._said, self._edited_at = message, self.clock.monotonic()
        seen = replace(
            made,
            state=DigestState.SHOWN,
            destination=receipt.destination,
            message=receipt.message,
        )
        await self._swap(made, seen)
        self.instruments.digest_begun(self.outlet.name)
        log.info("the backlog is long: a digest stands for it", channel=self.outlet.name)

    async def _find(self, made: Episode) -> None:
        """Take over the message that may have arrived; else leave it to a second one."""
        receipt = await self.outlet.deliverer.find(made.marker)
        if receipt is not None:
            await self._show(made, receipt, None)
            return
        state = DigestState.LOST if made.again else DigestState.UNSURE
        await self._swap(made, replace(made, state=state))
        log.warning("nobody knows whether the digest arrived", channel=self.outlet.name)

    async def _hold(self, known: Episode) -> Episode | None:
        """The episode as this worker may change it; None while another one cares for it."""
        now = to_micros(self.clock.now())
        if known.owner != self.owner and known.lease_until > now:
            return None
        mine = replace(known, owner=self.owner, lease_until=self._lease())
        if known.owner == self.owner and known.lease_until - now > LEASE_SECONDS / 2 * 1e6:
            return known
        return mine if await self._swap(known, mine) else None

    async def _care(self, mine: Episode, waits: Waiting) -> None:
        if mine.state is DigestState.SENDING:
            # whoever sent it has died
            await self._find(mine)
            return
        if mine.state is DigestState.UNSURE and self._too_long(waits):
            await self._alone(self._repeat(mine))
            return
        over = waits.count == 0
        can_edit = self.standing.shown and mine.state is DigestState.SHOWN
        if can_edit and not await self._keep_true(mine, over=over):
            return
        if over:
            await self._swap(mine, None)
            self.standing.shown, self._said = False, None
            log.info("the backlog is over", channel=self.outlet.name)

    async def _keep_true(self, mine: Episode, *, over: bool) -> bool:
        """Edit the digest if it has changed; False when it has to be tried again."""
        if not over and self.clock.monotonic() - self._edited_at < EDIT_SECONDS:
            return True
        message = await self._message(mine)
        if self._said is not None and self._said.payload == message.payload:
            return True
        outcome = await self._alone(self._edit(mine, message))
        if outcome is None:
            return False
        self.instruments.attempt(self.outlet.name, outcome.kind)
        self._edited_at = self.clock.monotonic()
        if outcome.kind is OutcomeKind.DELIVERED:
            self._said = message
            return True
        if outcome.kind in {OutcomeKind.MESSAGE_GONE, OutcomeKind.PAYLOAD_REFUSED}:
            self.standing.shown = False
            if not over:
                await self._swap(mine, replace(mine, state=DigestState.LOST))
            return over
        return False

    async def _edit(self, mine: Episode, message: Rendered) -> Outcome | None:
        if not await self._budget(Operation.EDIT):
            return None
        return await self.outlet.deliverer.edit(mine.receipt, message)

    async def _message(self, of: Episode) -> Rendered:
        name = self.outlet.name
        told: Contents = await self.store.read(lambda c: digests.contents(c, name, of.first_id))
        takes, now = self._takes(told.waiting), self.clock.now()
        return await beside(told.incidents, lambda: self.outlet.digest(told, takes, now, of.marker))

    async def _budget(self, operation: Operation) -> bool:
        """Wait until a request fits; nothing may be awaited between this and the request."""
        deadline = self.clock.monotonic() + PATIENCE_SECONDS
        while True:
            at = self.outlet.deliverer.next_allowed(operation, urgent=True)
            # asked for after the budget, whose earliest answer is the time at which it was asked
            wait = at - self.clock.monotonic()
            if wait <= 0:
                return True
            if at > deadline:
                return False
            await self.clock.sleep(wait)

    async def _hand_over(self) -> None:
        """Let a successor care for it at once."""
        name = self.outlet.name
        try:
            known = await self.store.read(lambda c: digests.episode(c, name))
            if known is not None and known.owner == self.owner:
                await self._swap(known, replace(known, lease_until=0))
        except StoreError as error:
            log.warning("digest not handed over; its lease ends by itself", error=str(error))

    async def _swap(self, old: Episode | None, new: Episode | None) -> bool:
        return await self.store.write(lambda c: digests.swap(c, self.outlet.name, old, new))

    def _lease(self) -> int:
        return to_micros(self.clock.now() + timedelta(seconds=LEASE_SECONDS))
