"""Brings charts into messages that have been delivered; no message ever waits for one.

It works from what the outbox remembers: a chart is due once its message is delivered, is drawn
once for all channels, and takes the place of the one before when the incident is over. Only the
edit that shows it holds the row, and it is made when its channel has nothing else to say.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from notifier import killpoints
from notifier.beside import beside
from notifier.clock import Clock, first_of
from notifier.deliver.charts import NO_LIBRARY, ChartError, can_draw
from notifier.deliver.outcome import ChartEnd, Outcome, OutcomeKind
from notifier.deliver.protocol import Chart, Charting, Operation, Rendered
from notifier.dispatch.outlet import Outlet
from notifier.errors import StoreError
from notifier.instruments import Instruments
from notifier.render.chart import ChartPlan, chart_plan
from notifier.store import SqlStore, charts
from notifier.store.base import Lease
from notifier.store.charts import ChartClaim, ChartTask
from wiltonos_service.logs import ChangeLog

log = structlog.get_logger(__name__)

# messages go first: a chart is looked for this long after the last news, and then that often
SETTLE_SECONDS = 1.0
POLL_SECONDS = 5.0
BUSY_SECONDS = 10.0
TROUBLE_SECONDS = 5.0
# an edit takes the row away from whoever has news, so it is cut off before that is noticed
EDIT_SECONDS = 5.0
LEASE_SECONDS = 15.0
# a chat may have to look at a picture before it can show it
SHOW_WAITS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
# a drawing is kept for channels that were busy
KEPT_SECONDS = 120.0
KEPT = 8

# the chart is not for this message, or for none; anything else may be better later
_FINAL = {
    OutcomeKind.PAYLOAD_REFUSED,
    OutcomeKind.MESSAGE_GONE,
    OutcomeKind.DESTINATION_DEAD,
}

Draw = Callable[[ChartPlan], Awaitable[bytes]]
R = TypeVar("R")


@dataclass
class ChartService:
    """Draws and shows charts until it is told to stop.

    Attributes:
        store: knows which charts are due.
        clock: the time.
        owner: identifies this process in leases.
        instruments: counts what becomes of charts.
        channels: those that want charts now, by name; who cannot show any gets none.
        draw: makes the picture; raises ChartError.
        moved: called when a row is free again.
    """

    store: SqlStore
    clock: Clock
    owner: str
    instruments: Instruments
    channels: Callable[[], Mapping[str, Outlet]]
    draw: Draw
    moved: Callable[[], None] = lambda: None
    _outlets: Mapping[str, Outlet] = field(default_factory=dict)
    _deliverers: Mapping[str, Charting] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _drawn: OrderedDict[tuple[str, str], tuple[float, bytes]] = field(default_factory=OrderedDict)
    _changes: ChangeLog = field(default_factory=ChangeLog)
    _claims: int = 0

    def wake(self) -> None:
        """A message was delivered: there may be a chart to draw."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, or cancelled: a chart that is lost is drawn again."""
        recalled = self.store.shared
        while not stopping.is_set():
            self._wake.clear()
            try:
                if not recalled:
                    # nobody else lives, so nobody works on what was taken up
                    await self._write(lambda c: charts.recall(c, self.clock.now()))
                    recalled = True
                pause = await self.turn()
                self._say("database", "")
            except StoreError as error:
                self._say("database", str(error))
                pause = TROUBLE_SECONDS
            except Exception:
                # a defect costs a picture, not the service
                log.exception("chart failed")
                pause = TROUBLE_SECONDS
            await self._sleep(pause, stopping)

    async def turn(self) -> float:
        """Show the charts of one incident; returns how long to wait unless there is news."""
        self._outlets = self.channels()
        self._deliverers = {
            name: outlet.deliverer
            for name, outlet in self._outlets.items()
            if isinstance(outlet.deliverer, Charting)
        }
        names = list(self._deliverers)
        if not names:
            return POLL_SECONDS
        if not can_draw():
            self._say("drawing", NO_LIBRARY)
            return POLL_SECONDS
        task = await self._write(lambda c: charts.take(c, names, self.clock.now()))
        if task is None:
            late = await self._write(lambda c: charts.expire(c, names, self.clock.now()))
            for channel, count in late.items():
                self.instruments.chart(channel, ChartEnd.LATE, count)
            return POLL_SECONDS
        await self._chart(task)
        return 0.0

    async def _chart(self, task: ChartTask) -> None:
        plans = await beside(
            [task.incident], lambda: {name: self._plan(task, name) for name in task.channels}
        )
        plan = plans[task.channels[0]]
        if plan is None:
            await self._write(lambda c: charts.give_up(c, task, task.channels))
            return
        try:
            png = await self._picture(task, plan)
        except ChartError as error:
            self._say("drawing", str(error))
            for name in task.channels:
                self.instruments.chart(name, error.end)
            if error.end is ChartEnd.EMPTY:
                await self._write(lambda c: charts.give_up(c, task, task.channels))
            return
        self._say("drawing", "")
        alts = {name: each.alt for name, each in plans.items() if each is not None}
        shows = (self._show(task, name, Chart(png, alts[name])) for name in alts)
        for failed in await asyncio.gather(*shows, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    def _plan(self, task: ChartTask, name: str) -> ChartPlan | None:
        context = replace(self._outlets[name].context, now=self.clock.now())
        return chart_plan(task.incident, context)

    async def _picture(self, task: ChartTask, plan: ChartPlan) -> bytes:
        key = task.incident.id, task.stage
        now = self.clock.monotonic()
        known = self._drawn.get(key)
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        png = await self.draw(plan)
        self._drawn[key] = now, png
        while len(self._drawn) > KEPT:
            self._drawn.popitem(last=False)
        return png

    async def _show(self, task: ChartTask, name: str, chart: Chart) -> None:
        """Upload and show; whatever goes wrong, the message stays as it is."""
        deliverer = self._deliverers[name]
        outcome: Outcome | None = None
        if deliverer.next_idle() <= self.clock.monotonic():
            outcome, chart = await deliverer.upload(chart)
            killpoints.reached(killpoints.AFTER_UPLOAD)
            if outcome.kind is OutcomeKind.DELIVERED:
                outcome = await self._attach_patiently(task, name, chart)
                if outcome is None:
                    await self._discard(name, chart.file)
        if outcome is None:
            until = self.clock.now() + timedelta(seconds=BUSY_SECONDS)
            await self._write(lambda c: charts.put_off(c, task, [name], until))
            return
        await self._learn(task, name, outcome)

    async def _attach_patiently(self, task: ChartTask, name: str, chart: Chart) -> Outcome | None:
        outcome: Outcome | None = None
        for wait in SHOW_WAITS_SECONDS:
            await self.clock.sleep(wait)
            outcome = await self._attach(task, name, chart)
            if outcome is not None and outcome.kind is not OutcomeKind.PAYLOAD_REFUSED:
                break
        return outcome

    async def _attach(self, task: ChartTask, name: str, chart: Chart) -> Outcome | None:
        """One edit, while nobody has anything else to say; None when somebody does."""
        deliverer = self._deliverers[name]
        self._claims += 1
        lease = Lease(f"{self.owner}/chart{self._claims}", self.clock.now(), LEASE_SECONDS)
        claim = await self._write(lambda c: charts.claim(c, task, name, lease))
        if claim is None:
            return None
        shown = False
        try:
            message = await self._message(claim, name)
            if deliverer.next_idle() > self.clock.monotonic():
                return None
            outcome = await _bounded(deliverer.attach(claim.receipt, message, chart))
            killpoints.reached(killpoints.AFTER_ATTACH)
            receipt = outcome.receipt
            if receipt is not None:
                shown = await self._write(lambda c: charts.shown(c, claim, receipt))
        finally:
            if not shown:
                await self._give_back(claim)
            self.moved()
        if shown:
            await self._discard(name, claim.receipt.attachment)
        return outcome

    async def _message(self, claim: ChartClaim, name: str) -> Rendered:
        outlet, now = self._outlets[name], self.clock.now()
        return await beside(
            [claim.incident], lambda: outlet.message(claim.incident, Operation.EDIT, now)
        )

    async def _discard(self, name: str, file: str) -> None:
        """Take away a picture that no message shows, if that is possible now; once."""
        at = self._outlets[name].deliverer.next_allowed(Operation.DELETE)
        if not file or at > self.clock.monotonic():
            return
        outcome = await self._deliverers[name].discard(file)
        failed = outcome is not None and outcome.kind is not OutcomeKind.DELIVERED
        problem = f"{outcome.kind.value}: {outcome.detail}" if outcome and failed else ""
        if self._changes.changed(f"old charts of {name}", problem) and problem:
            log.warning(
                "a chart that nothing shows stays in the chat", channel=name, problem=problem
            )

    async def _give_back(self, claim: ChartClaim) -> None:
        try:
            await self._write(lambda c: charts.give_back(c, claim))
        except StoreError as error:
            # the lease ends by itself
            self._say("database", str(error))

    async def _learn(self, task: ChartTask, name: str, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.DELIVERED:
            self._say(name, "")
            self.instruments.chart(name, ChartEnd.SHOWN)
            return
        self._say(name, f"{outcome.kind.value}: {outcome.detail}")
        final = outcome.kind in _FINAL
        self.instruments.chart(name, ChartEnd.REFUSED if final else ChartEnd.DELAYED)
        if final:
            await self._write(lambda c: charts.give_up(c, task, [name]))

    async def _write(self, work: Callable[[Connection], R]) -> R:
        return await self.store.write(work)

    async def _sleep(self, seconds: float, stopping: asyncio.Event) -> None:
        """Until there is news and it has settled, or so long."""
        await first_of(stopping.wait(), self._wake.wait(), self.clock.sleep(seconds))
        if self._wake.is_set():
            await first_of(stopping.wait(), self.clock.sleep(SETTLE_SECONDS))

    def _say(self, subject: str, state: str) -> None:
        if not self._changes.changed(subject, state):
            return
        if state:
            log.warning("no charts", subject=subject, problem=state)
        else:
            log.info("charts are back", subject=subject)


async def _bounded(request: Awaitable[Outcome]) -> Outcome:
    try:
        async with asyncio.timeout(EDIT_SECONDS):
            return await request
    except TimeoutError:
        return Outcome(OutcomeKind.TRANSIENT, detail=f"no answer within {EDIT_SECONDS:g} s")
