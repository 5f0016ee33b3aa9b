"""Brings a channel to show what it should: claims what is due, and heeds what its chat says."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from notifier import killpoints
from notifier.clock import Clock, first_of
from notifier.deliver.backoff import Backoff
from notifier.deliver.outcome import Outcome, OutcomeKind
from notifier.deliver.protocol import Operation
from notifier.dispatch.attempts import (
    BACKOFF,
    LEASE_SECONDS,
    STORE_RETRY_SECONDS,
    Attempts,
    Standing,
)
from notifier.dispatch.circuit import Circuit
from notifier.dispatch.gate import HANG_SECONDS
from notifier.dispatch.outlet import POSTING, Outlet
from notifier.errors import StoreError
from notifier.instruments import Instruments, LimitedBy
from notifier.store.base import SENDING, Allowance, Claim, Lease, Store
from notifier.traces import OFF, Traces
from wiltonos_service.logs import ChangeLog

log = structlog.get_logger(__name__)

# requests of one channel that may be under way at once, so that one that hangs stops no other
LANES = 4
POLL_SECONDS = 1.0
# after a look that found nothing: a storm of webhooks must not become a storm of looks
BREATH_SECONDS = 0.05
HELD_BREATH_SECONDS = 0.25
DEFECT_SECONDS = 5.0
PROBE_SECONDS = 60.0
# a wait this long is told to the other processes, and outlives a restart
TOLD_SECONDS = 10.0
# a wall clock that loses so much on the monotonic one from one turn to the next was set back
SET_BACK_SECONDS = 5.0

Announce = Callable[[str, str], Awaitable[None]]


async def _say_nothing(_channel: str, _reason: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long to wait, and whether news of work ends it sooner."""

    seconds: float
    for_work: bool = False


@dataclass
class ChannelWorker:
    """Works off the outbox of one channel until it is cancelled.

    Attributes:
        outlet: the channel.
        store: where the work is.
        clock: the time.
        owner: identifies this process in leases.
        instruments: counts what happens.
        announce: told of the channel's death (the reason) and of its return ("").
        settled: called when a row has changed.
        traces: makes the spans.
        standing: what the digest of the channel does.
    """

    outlet: Outlet
    store: Store
    clock: Clock
    owner: str
    instruments: Instruments
    announce: Announce = _say_nothing
    settled: Callable[[], None] = lambda: None
    traces: Traces = OFF
    standing: Standing = field(default_factory=Standing)
    backoff: Backoff = BACKOFF
    rng: random.Random = field(default_factory=random.Random)
    circuit: Circuit = field(default_factory=Circuit)
    stopped: str = ""
    _announced: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _news: bool = False
    _listening: bool = False
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    # posts that could not be looked up, and when they began
    _blind: dict[asyncio.Task[None], float] = field(default_factory=dict)
    _remembers: bool = False
    _claims: int = 0
    # of a claim that failed
    _unheard: str = ""
    # from when to when the budgets did not let everything through
    _limited: tuple[float, float] = (0.0, 0.0)
    _is_limited: bool = False
    _paused_until: float = 0.0
    _look_at: float = 0.0
    _probe_at: float = 0.0
    # how far the wall clock was before the monotonic one
    _lead: float = math.inf
    _changes: ChangeLog = field(default_factory=ChangeLog)

    def __post_init__(self) -> None:
        self._attempts = Attempts(
            outlet=self.outlet,
            store=self.store,
            clock=self.clock,
            instruments=self.instruments,
            store_failed=lambda error: self._say("store", str(error)),
            backoff=self.backoff,
            rng=self.rng,
            traces=self.traces,
            standing=self.standing,
        )

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.outlet.name

    @property
    def degraded(self) -> str:
        """Why the channel does not deliver; "" when it does."""
        if self.stopped:
            return f"{self.name}: destination dead: {self.stopped}"
        return f"{self.name}: {self.circuit.detail}" if self.circuit.open else ""

    def wake(self) -> None:
        """Look for work, now or as soon as that helps."""
        self._news = True
        if self._listening:
            self._wake.set()

    def go_on(self) -> None:
        """What kept the lanes closed is over."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; attempts under way are brought to their end.

        An attempt outlives a cancellation: a receipt that was earned must be written.
        """
        while not stopping.is_set():
            wait = await self._turn_safely()
            if wait.seconds > 0 and not stopping.is_set():
                await self._sleep(wait, stopping)
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _remember(self) -> None:
        """What this or another process has learnt of the channel before."""
        state = (await self.store.channel_states()).get(self.name)
        self._remembers = True
        if state is None:
            return
        self.stopped = state.reason if state.stopped else ""
        # what the database knows has been announced: that comes first, so that none is forgotten
        self._announced = state.stopped
        if state.not_before is not None:
            wait = (state.not_before - self.clock.now()).total_seconds()
            self._paused_until = self.clock.monotonic() + max(wait, 0.0)

    async def _heed_clock(self) -> None:
        """Let no row wait for a time that was near before the clock was set back.

        Whoever starts cannot know what the clock was before.
        """
        now = self.clock.now()
        lead = now.timestamp() - self.clock.monotonic()
        if lead < self._lead - SET_BACK_SECONDS:
            hurried = await self.store.hurry(self.name, now, self.backoff.cap_seconds)
            if hurried:
                log.warning("the clock was set back", channel=self.name, hurried=hurried)
        self._lead = lead

    async def _turn_safely(self) -> _Wait:
        try:
            if not self._remembers:
                await self._remember()
            await self._heed_clock()
            wait = await self._turn()
        except StoreError as error:
            self._say("store", str(error))
            return _Wait(STORE_RETRY_SECONDS)
        except Exception:
            # a defect must not silence the channel
            log.exception("delivery failed", channel=self.name)
            return _Wait(DEFECT_SECONDS)
        self._say("store", "")
        return wait

    async def _turn(self) -> _Wait:
        """Start one piece of work; returns how long to wait for the next."""
        now = self.clock.monotonic()
        self._wake.clear()
        alone = bool(self.stopped) or self.circuit.open
        if self.standing.sending or len(self._under_way) >= (1 if alone else LANES):
            return _Wait(POLL_SECONDS)
        if self.stopped and now < self._probe_at and not self.outlet.secret_changed():
            return _Wait(min(POLL_SECONDS, self._probe_at - now))
        held = max(self.circuit.open_until, self._paused_until, self._look_at) - now
        if held > 0 and not self.stopped:
            return _Wait(held)
        allowance, wait = self._allowance()
        if not allowance.urgent:
            return _Wait(wait)
        self._news = False
        self._claims += 1
        lease = Lease(f"{self.owner}/{self._claims}", self.clock.now(), LEASE_SECONDS)
        claim = await self._claim(lease, allowance)
        if claim is None:
            return await self._idle(wait)
        killpoints.reached(killpoints.AFTER_CLAIM)
        self._count_limit(claim)
        task = asyncio.create_task(self._work_safely(claim))
        self._under_way.add(task)
        if self.outlet.blind(claim.operation):
            self._blind[task] = now
        task.add_done_callback(self._done)
        # let it spend its budget before the next one is asked for
        await asyncio.sleep(0)
        return _Wait(0.0)

    async def _claim(self, lease: Lease, allowance: Allowance) -> Claim | None:
        if self._unheard:
            # nobody works on what it may have leased
            await self.store.let_go(self.name, self._unheard)
        self._unheard = lease.owner
        claim = await self.store.claim(self.name, lease, allowance)
        self._unheard = ""
        return claim

    def _count_limit(self, claim: Claim) -> None:
        """Count what a row that was due has waited for the budgets."""
        since, until = self._limited
        overdue = (self.clock.now() - claim.due_at).total_seconds()
        waited = until - max(since, self.clock.monotonic() - overdue)
        if waited > 0:
            self.instruments.rate_limited(self.name, LimitedBy.BUDGET, waited)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._blind.pop(task, None)
        self._wake.set()

    def _allowance(self) -> tuple[Allowance, float]:
        """What may be sent now, and how long until more may; 0 if all."""
        allowed = self.outlet.deliverer.next_allowed
        normal = {each: allowed(each) for each in SENDING}
        urgent = {each: allowed(each, urgent=True) for each in SENDING}
        # asked for after the budgets, whose earliest answer is the time at which they were asked
        now = self.clock.monotonic()
        self._note_limit(now, limited=_due(normal, now) != SENDING)
        if self._blind:
            held = max(self._blind.values()) + HANG_SECONDS
            for times in (normal, urgent):
                times.update({each: max(times[each], held) for each in POSTING})
        allowance = Allowance(_due(normal, now), _due(urgent, now), probing=bool(self.stopped))
        later = [at - now for at in (*normal.values(), *urgent.values()) if at > now]
        return allowance, min(later, default=0.0)

    def _note_limit(self, now: float, *, limited: bool) -> None:
        if self._is_limited:
            self._limited = (self._limited[0], now)
        elif limited:
            self._limited = (now, now)
        self._is_limited = limited

    async def _idle(self, budgets: float) -> _Wait:
        """Nothing was found; ``budgets``: how long until they would have let more be found."""
        now = self.clock.monotonic()
        self._look_at = now + (HELD_BREATH_SECONDS if budgets > 0 else BREATH_SECONDS)
        if self.stopped:
            self._probe_at = now + PROBE_SECONDS
            return _Wait(POLL_SECONDS, for_work=True)
        if budgets > 0:
            # what waits may be due: it would be asked for in vain over and over again
            return _Wait(min(budgets, POLL_SECONDS), for_work=True)
        due = await self.store.next_due(self.name)
        wait = POLL_SECONDS if due is None else (due - self.clock.now()).total_seconds()
        return _Wait(min(max(wait, BREATH_SECONDS), POLL_SECONDS), for_work=True)

    async def _work_safely(self, claim: Claim) -> None:
        try:
            # what is logged and measured meanwhile belongs to the trace as well
            with self.traces.following(claim.incident):
                await self._work(claim)
        except StoreError as error:
            self._say("store", str(error))
        except Exception:
            # its lease ends by itself, and the row is tried again
            log.exception("delivery failed", channel=self.name, incident=claim.incident.id)
            self._paused_until = self.clock.monotonic() + DEFECT_SECONDS

    async def _work(self, claim: Claim) -> None:
        outcome = await self._attempts.work(claim)
        self.settled()
        if outcome is not None:
            await self._learn(outcome)

    async def _learn(self, outcome: Outcome) -> None:
        """What the outcome says about the whole channel."""
        now = self.clock.monotonic()
        if outcome.kind is OutcomeKind.DESTINATION_DEAD:
            await self._stop(outcome.detail)
            return
        if self.stopped and outcome.kind is OutcomeKind.DELIVERED:
            await self._resume()
        if self.circuit.record(outcome.kind, outcome.detail, now, self.rng):
            await self.store.hurry(self.name, self.clock.now())
        self._say("chat", self.circuit.detail if self.circuit.open else "")
        wait = outcome.retry_after_seconds or 0.0
        banned = outcome.kind in {OutcomeKind.EDGE_BAN, OutcomeKind.RATE_LIMITED}
        if banned:
            self.instruments.rate_limited(self.name, LimitedBy.CHAT, wait)
        if banned and wait >= TOLD_SECONDS:
            until = self.clock.now() + timedelta(seconds=wait)
            await self.store.pause_channel(self.name, until, outcome.detail)

    async def _stop(self, detail: str) -> None:
        self._probe_at = self.clock.monotonic() + PROBE_SECONDS
        self.stopped = detail or "destination dead"
        self._say("chat", f"destination dead: {self.stopped}")
        if not self._announced:
            await self.announce(self.name, self.stopped)
            self._announced = True
        await self.store.stop_channel(self.name, self.stopped, self.clock.now())

    async def _resume(self) -> None:
        await self.announce(self.name, "")
        self._announced = False
        revived = await self.store.resume_channel(self.name, self.clock.now())
        self.stopped = ""
        log.info("destination is back", channel=self.name, revived=revived)

    async def _sleep(self, wait: _Wait, stopping: asyncio.Event) -> None:
        """Wait for the end, the time, an attempt's end and, if that helps, news of work."""
        if wait.for_work and self._news:
            return
        self._listening = wait.for_work
        try:
            await first_of(stopping.wait(), self.clock.sleep(wait.seconds), self._wake.wait())
        finally:
            self._listening = False

    def _say(self, subject: str, state: str) -> None:
        if not self._changes.changed(subject, state):
            return
        if state:
            log.warning("channel has a problem", channel=self.name, problem=state)
        else:
            log.info("channel is well again", channel=self.name, subject=subject)


def _due(times: Mapping[Operation, float], now: float) -> frozenset[Operation]:
    return frozenset(each for each, at in times.items() if at <= now)
