"""One state directory as the exporter follows it: watched, fed to a signal, and how it is doing."""

import asyncio
from pathlib import Path

from wiltonos_otel.clock import Clock
from wiltonos_otel.feed import SignalFeed, is_simulated
from wiltonos_otel.instruments.coherence import CoherenceInstruments
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.policy import Policy
from wiltonos_otel.sources.directory import StateDirectory
from wiltonos_otel.web.view import SourceHealth


class Followed:
    """A state directory and its signal.

    Args:
        name: of the source, in ``wiltonos.source.*``.
        directory: holds the state files; need not exist.
        stale_after_seconds: age at which a sample stops counting.
        policy: the coherence policy.
        instruments: export the signal.
        clock: tells the time.
        labelled: its series carry the attribute ``source``.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        stale_after_seconds: float,
        policy: Policy,
        instruments: CoherenceInstruments,
        clock: Clock,
        labelled: bool = False,
    ) -> None:
        self.name = name
        self.location = directory
        self.signal = Signal(name, policy, stale_after_seconds, clock)
        self.feed = SignalFeed(self.signal, instruments, labelled=labelled)
        self.source = StateDirectory(directory, self.feed, clock, name)
        self._says_simulated = False

    def health(self, *, simulated: bool = False) -> SourceHealth:
        """How it is doing now."""
        return SourceHealth(
            name=self.name,
            location=str(self.location),
            errors=self.feed.errors,
            problems=[f"{file}: {bad.detail}" for file, bad in self.source.problems.items()],
            simulated=simulated or self._says_simulated,
        )

    def look_whether_simulated(self) -> None:
        """Read what the state file says of itself; what cannot be read changes nothing."""
        says = is_simulated(self.location)
        self._says_simulated = self._says_simulated if says is None else says

    async def follow(self) -> None:
        """Take what is there, then what changes, until cancelled, and then the last of it."""
        task = asyncio.create_task(self.source.run())
        try:
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # what was written since the last event belongs to the last push
            await self.source.read_now()
