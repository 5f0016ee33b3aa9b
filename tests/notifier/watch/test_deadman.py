"""The dead man's switch."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.alerts import AlertStatus
from notifier.clock import SystemClock
from notifier.store import SqlStore
from notifier.testing import ManualClock
from notifier.testing.webhooks import alert, encoded, webhook
from notifier.watch.deadman import DeadMansSwitch

TIMEOUT = 180.0


class Rig:
    """A switch, its clock, and what it said."""

    def __init__(self, store: SqlStore, timeout: float = TIMEOUT) -> None:
        self.clock = ManualClock()
        self.said: list[AlertStatus] = []
        self.switch = DeadMansSwitch(store, self.clock, timeout, self._announce)

    async def _announce(self, status: AlertStatus) -> None:
        self.said.append(status)

    async def after(self, seconds: float) -> list[AlertStatus]:
        """What it has said once so much time has passed."""
        await self.clock.advance(seconds)
        await self.switch.check()
        return self.said


async def test_it_arms_at_the_first_heartbeat(memory: SqlStore) -> None:
    """Somebody without a Watchdog hears nothing; after one beat, silence is an alarm."""
    rig = Rig(memory)
    await rig.switch.start()
    assert await rig.after(10 * TIMEOUT) == []
    await rig.switch.beat()
    assert await rig.after(TIMEOUT) == []
    assert await rig.after(1) == [AlertStatus.FIRING]
    assert await rig.after(TIMEOUT) == [AlertStatus.FIRING]


async def test_a_defect_does_not_end_the_watch(memory: SqlStore) -> None:
    """What cannot be said is said at the next look."""
    rig = Rig(memory)
    said, failures = asyncio.Event(), [RuntimeError("defect")]

    async def announce(_status: AlertStatus) -> None:
        if failures:
            raise failures.pop()
        said.set()

    rig.switch.announce = announce
    await rig.switch.start()
    await rig.switch.beat()
    stopping = asyncio.Event()
    task = asyncio.create_task(rig.switch.run(stopping))
    async with asyncio.timeout(20):
        while not said.is_set():
            await asyncio.sleep(0.01)
            await rig.clock.advance(TIMEOUT)
    stopping.set()
    await task


async def test_the_next_heartbeat_ends_it(memory: SqlStore) -> None:
    """The end is said once, and the next silence is another alarm."""
    rig = Rig(memory)
    await rig.switch.start()
    await rig.switch.beat()
    await rig.after(TIMEOUT + 1)
    await rig.switch.beat()
    await rig.switch.beat()
    assert rig.said == [AlertStatus.FIRING, AlertStatus.RESOLVED]
    assert len(await rig.after(TIMEOUT + 1)) == 3


async def test_a_restart_gives_a_full_timeout_of_grace(memory: SqlStore) -> None:
    """It stays armed, and does not blame others for our own absence."""
    first = Rig(memory)
    await first.switch.start()
    await first.switch.beat()
    second = Rig(memory)
    await second.clock.advance(1e6)
    await second.switch.start()
    assert await second.after(TIMEOUT) == []
    assert await second.after(1) == [AlertStatus.FIRING]


async def test_a_restart_while_alerting_is_down_still_says_the_end(memory: SqlStore) -> None:
    """What was said before the restart is remembered."""
    first = Rig(memory)
    await first.switch.start()
    await first.switch.beat()
    await first.after(TIMEOUT + 1)
    second = Rig(memory)
    await second.switch.start()
    assert second.switch.down
    await second.switch.beat()
    assert second.said == [AlertStatus.RESOLVED]


async def test_a_heartbeat_at_another_replica_counts(memory: SqlStore) -> None:
    """Replicas share the database, and the heartbeat goes to one of them."""
    rig, other = Rig(memory), Rig(memory)
    await rig.switch.start()
    await rig.switch.beat()
    await other.switch.start()
    await rig.clock.advance(TIMEOUT - 1)
    await other.clock.advance(TIMEOUT - 1)
    await other.switch.beat()
    assert await rig.after(2) == []


async def test_a_jump_of_the_wall_clock_is_no_silence(memory: SqlStore) -> None:
    """Time is counted on the monotonic clock."""
    rig = Rig(memory)
    await rig.switch.start()
    await rig.switch.beat()
    rig.clock.jump(86400)
    assert await rig.after(1) == []


async def test_zero_switches_it_off(memory: SqlStore) -> None:
    """No silence is too long; a timeout that is set later counts at once."""
    rig = Rig(memory, 0)
    await rig.switch.start()
    await rig.switch.beat()
    stopping = asyncio.Event()
    watching = asyncio.create_task(rig.switch.run(stopping))
    await _passed(rig, 100)
    assert rig.said == []
    rig.switch.timeout_seconds = 60
    await _passed(rig, 13)
    assert rig.said == [AlertStatus.FIRING]
    stopping.set()
    await rig.clock.advance(10)
    await watching


async def _passed(rig: Rig, looks: int) -> None:
    """Let the watch look so often, five seconds apart."""
    for _ in range(looks):
        while not rig.clock.sleeping:  # noqa: ASYNC110 - the clock says no other way
            await asyncio.sleep(0)
        await rig.clock.advance(5)


async def test_silence_is_told_on_every_channel_and_so_is_its_end(
    start: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """With a real service: beat, silence, "alerting is down" on both chats, beat, edited."""
    run = await start(extra="heartbeat_timeout_seconds = 1")
    url = f"{run.base}/api/v1/heartbeat"
    watchdog = encoded(webhook(alert("WiltonosWatchdog", severity="none")))
    async with run.http.post(url, data=watchdog) as response:
        assert response.status == 200
    await run.delivered()
    for shown in (run.slack_messages(), run.discord.shown()):
        assert "Alerting is down" in shown[0].text
    assert "alerting is down" in (await run.get("/-/ready"))["degraded"][0]
    async with run.http.post(url) as response:
        assert response.status == 200

    async def over() -> bool:
        return "Resolved" in run.slack_messages()[0].text

    await eventually(over)


@pytest.mark.parametrize("back", [3600, 5])
async def test_its_end_is_told_though_the_clock_was_set_back(
    start: Callable[..., Any], eventually: Callable[..., Any], back: float
) -> None:
    """A machine that began with a wrong clock: "alerting is down" must not stand for ever."""
    clock = _Adjustable()
    run = await start(extra="heartbeat_timeout_seconds = 1", clock=clock)
    url = f"{run.base}/api/v1/heartbeat"
    async with run.http.post(url) as response:
        assert response.status == 200
    await run.delivered()
    clock.back = timedelta(seconds=back)

    async def over() -> bool:
        async with run.http.post(url) as response:
            assert response.status == 200
        return "Resolved" in run.slack_messages()[0].text

    await eventually(over)


class _Adjustable(SystemClock):
    """The time of this machine, less what it was set back."""

    back = timedelta()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return super().now() - self.back


async def test_a_resolved_watchdog_is_no_heartbeat(start: Callable[..., Any]) -> None:
    """Alertmanager saying that the Watchdog ended is the opposite of a sign of life."""
    run = await start("")
    over = alert("WiltonosWatchdog", ends_at=run.service.clock.now())
    async with run.http.post(f"{run.base}/api/v1/heartbeat", data=encoded(webhook(over))) as got:
        assert await got.json() == {"status": "ignored"}
    assert await run.service.store.read_meta("heartbeat_at") is None
