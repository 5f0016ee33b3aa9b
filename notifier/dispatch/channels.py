"""The channels in force: an outlet and a worker each, replaced while the service runs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from notifier.building import make_context, make_outlet
from notifier.clock import Clock
from notifier.deliver.pacing import Budgets
from notifier.dispatch.attempts import Standing
from notifier.dispatch.digest import ChannelDigest
from notifier.dispatch.gate import Gate
from notifier.dispatch.outlet import Actions
from notifier.dispatch.worker import Announce, ChannelWorker
from notifier.instruments import Instruments
from notifier.render import Chat, RenderContext
from notifier.settings import Channel, Settings
from notifier.store import SqlStore
from notifier.traces import Traces
from wiltonos_service.settings import Loaded


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every channel has around it, whatever the configuration says.

    Attributes:
        owner: identifies this process in leases.
        doubtful: whether monitoring is dead.
        actions: the links by which readers silence an incident.
        announce: told of a channel's death and return.
        settled: called when a row has changed.
        traces: makes the spans.
    """

    store: SqlStore
    clock: Clock
    instruments: Instruments
    owner: str
    doubtful: Callable[[], bool]
    actions: Actions
    announce: Announce
    settled: Callable[[], None]
    traces: Traces


@dataclass(frozen=True)
class _Made:
    """A channel that is ready to work.

    Attributes:
        origin: equal values would make the same channel.
    """

    origin: tuple[Channel, RenderContext]
    worker: ChannelWorker
    digest: ChannelDigest


@dataclass(frozen=True)
class _Running:
    """A channel at work."""

    made: _Made
    stopping: asyncio.Event
    tasks: tuple[asyncio.Task[None], ...]


@dataclass
class Channels:
    """The workers of the configuration in force.

    A channel that a new configuration leaves as it is goes on undisturbed. One that changes or
    goes brings the requests under way to their end, under its own leases, while its successor
    takes the other rows; both spend the same budgets.
    """

    around: Surroundings
    session: aiohttp.ClientSession
    _budgets: Budgets = field(default_factory=Budgets)
    _gates: dict[Chat, Gate] = field(init=False)
    _digest_after: float = 0.0
    _running: dict[str, _Running] = field(default_factory=dict)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)
    _count: int = 0

    def __post_init__(self) -> None:
        # a chat that hangs must not hold up the other one
        self._gates = {chat: Gate(self.around.clock) for chat in Chat}

    def adopt(self, loaded: Loaded[Settings]) -> None:
        """Let the channels be those of the configuration; all of them, or none on an error.

        Raises:
            SettingsError: a secret is missing; everything is as before.
        """
        wanted = loaded.settings.notifier.channels
        made = {
            channel.name: self._make(channel, loaded)
            for channel in wanted
            if not self._same(channel, loaded)
        }
        self._digest_after = loaded.settings.notifier.digest_after_seconds
        names = {channel.name for channel in wanted}
        for name in [*self._running]:
            if name in made or name not in names:
                self._leave(self._running.pop(name))
        for name, ready in made.items():
            self._running[name] = _start(ready)

    @property
    def workers(self) -> Mapping[str, ChannelWorker]:
        """The worker of each channel."""
        return {name: running.made.worker for name, running in self._running.items()}

    @property
    def degraded(self) -> list[str]:
        """What does not work, one line each."""
        found = [worker.degraded for worker in self.workers.values()]
        for name, worker in self.workers.items():
            template = worker.outlet.template
            if template is not None and template.problem:
                found.append(f"{name}: template failed, the default serves: {template.problem}")
        return [line for line in found if line]

    @property
    def working(self) -> bool:
        """Whether every worker runs."""
        return not any(task.done() for each in self._running.values() for task in each.tasks)

    def wake(self) -> None:
        """There may be work."""
        for running in self._running.values():
            running.made.worker.wake()

    async def end(self, seconds: float) -> None:
        """Bring what is under way to its end, in so many seconds at most."""
        for name in [*self._running]:
            self._leave(self._running.pop(name))
        if not self._leaving:
            return
        _, late = await asyncio.wait(self._leaving, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _same(self, channel: Channel, loaded: Loaded[Settings]) -> bool:
        running = self._running.get(channel.name)
        origin = channel, make_context(channel, loaded)
        return running is not None and running.made.origin == origin

    def _leave(self, running: _Running) -> None:
        running.stopping.set()
        running.made.worker.wake()
        for task in running.tasks:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _make(self, channel: Channel, loaded: Loaded[Settings]) -> _Made:
        around, self._count = self.around, self._count + 1
        # no two workers of a channel may hold the same lease
        owner = f"{around.owner}.{self._count}"
        outlet = make_outlet(
            channel,
            loaded,
            session=self.session,
            clock=around.clock,
            budgets=self._budgets,
            gates=self._gates,
            doubtful=around.doubtful,
            actions=around.actions,
            template_failed=lambda: around.instruments.template_failed(channel.name),
        )
        standing = Standing()
        digest = ChannelDigest(
            outlet=outlet,
            store=around.store,
            clock=around.clock,
            owner=owner,
            instruments=around.instruments,
            after_seconds=lambda: self._digest_after,
            standing=standing,
        )
        worker = ChannelWorker(
            outlet=outlet,
            store=around.store,
            clock=around.clock,
            owner=owner,
            instruments=around.instruments,
            announce=around.announce,
            settled=around.settled,
            traces=around.traces,
            standing=standing,
        )
        digest.able, digest.wake = lambda: not worker.degraded, worker.go_on
        return _Made((channel, make_context(channel, loaded)), worker, digest)


def _start(made: _Made) -> _Running:
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stopping)) for each in (made.worker, made.digest)]
    return _Running(made, stopping, tuple(tasks))
