"""What the notifier says about itself, on ``opentelemetry-api`` alone."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from notifier.deliver.outcome import ChartEnd, OutcomeKind
from notifier.incident import Reason
from notifier.store.base import Backlog
from notifier.watch.alive import Ping

METER = "notifier"
# from at once to an outage of a day
LATENCY_BOUNDS = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 14400, 86400]
_RANKS = {reason: rank for rank, reason in enumerate(Reason)}
REFUSALS = ("json", "payload", "too_large", "unauthorized", "busy", "database")


class LimitedBy(StrEnum):
    """Whose limit a message waits for."""

    BUDGET = "budget"
    CHAT = "chat"


class Instruments:
    """Every instrument of the notifier; made once per provider.

    Args:
        meter: where the instruments are made.
        channels: announced with 0, so that ``increase()`` sees the first event.

    Attributes:
        refused_configuration: whether the newest configuration is wrong.
    """

    def __init__(self, meter: Meter, channels: Iterable[str]) -> None:
        self._channels: tuple[str, ...] = ()
        self.refused_configuration = False
        self._backlog: Callable[[], Backlog | None] = lambda: None
        self._now: Callable[[], datetime] | None = None
        self._stopped: Mapping[str, str] = {}
        # counted here and read at a collection: a call of the SDK is a tenth of accepting a webhook
        self._accepted = dict.fromkeys(Reason, 0)
        self._refused = meter.create_counter(
            "wiltonos.notifier.refused", "{notification}", "Webhooks that were not committed."
        )
        self._attempts = meter.create_counter(
            "wiltonos.notifier.attempts", "{attempt}", "Requests to chats, by their end."
        )
        self._duplicates = meter.create_counter(
            "wiltonos.notifier.duplicates.possible",
            "{message}",
            "Messages sent again because nobody knows whether the first sending arrived.",
        )
        self._template_failures = meter.create_counter(
            "wiltonos.notifier.template.failures",
            "{message}",
            "Messages in which the channel's template failed, so that the default served.",
        )
        self._alive = meter.create_counter(
            "wiltonos.notifier.alive.pings",
            "{ping}",
            "Signs of life to alive_url, by what became of them.",
        )
        self._digests = meter.create_counter(
            "wiltonos.notifier.digests",
            "{digest}",
            "Digests that were sent because the backlog of a channel was long.",
        )
        self._charts = meter.create_counter(
            "wiltonos.notifier.charts",
            "{chart}",
            "Charts for messages, by what became of them; those tried again count each time.",
        )
        self._latency = meter.create_histogram(
            "wiltonos.notifier.delivery.latency",
            "s",
            "From the commit of a webhook to its message in the chat.",
            explicit_bucket_boundaries_advisory=LATENCY_BOUNDS,
        )
        self._since_start = meter.create_histogram(
            "wiltonos.notifier.alert.latency",
            "s",
            "From the start of an alert to the first message that tells of it.",
            explicit_bucket_boundaries_advisory=LATENCY_BOUNDS,
        )
        self._limited = meter.create_counter(
            "wiltonos.notifier.rate_limit.wait",
            "s",
            "Time that messages waited for a rate limit: our budget, or what the chat asked for.",
        )
        self._observe(meter)
        self.announce(channels)

    def watch(self, backlog: Callable[[], Backlog | None], now: Callable[[], datetime]) -> None:
        """Where the gauges look: the last known backlog, and the time."""
        self._backlog, self._now = backlog, now

    def accepted(self, reasons: Iterable[Reason]) -> None:
        """A webhook was committed; what it said first counts."""
        self._accepted[min(reasons, key=_RANKS.__getitem__)] += 1

    def refused(self, why: str) -> None:
        """A webhook was turned away."""
        self._refused.add(1, {"reason": why})

    def attempt(self, channel: str, outcome: OutcomeKind) -> None:
        """A request to a chat came to an end."""
        self._attempts.add(1, {"channel": channel, "outcome": outcome.value})

    def duplicate_possible(self, channel: str) -> None:
        """A message is sent again that may have arrived."""
        self._duplicates.add(1, {"channel": channel})

    def template_failed(self, channel: str) -> None:
        """The default form of a message had to serve."""
        self._template_failures.add(1, {"channel": channel})

    def pinged(self, ping: Ping) -> None:
        """A minute of ``alive_url`` has passed."""
        self._alive.add(1, {"outcome": ping.value})

    def digest_begun(self, channel: str) -> None:
        """One message stands for a long backlog."""
        self._digests.add(1, {"channel": channel})

    def chart(self, channel: str, end: ChartEnd, count: int = 1) -> None:
        """A try to show a chart came to an end."""
        self._charts.add(count, {"channel": channel, "outcome": end.value})

    def delivered(self, channel: str, seconds: float, since_start: Iterable[float]) -> None:
        """A channel shows a revision.

        Args:
            channel: its name.
            seconds: since the oldest webhook was accepted that it did not show before.
            since_start: since each alert began that it did not show before.
        """
        self._latency.record(max(seconds, 0.0), {"channel": channel})
        for each in since_start:
            self._since_start.record(max(each, 0.0), {"channel": channel})

    def rate_limited(self, channel: str, by: LimitedBy, seconds: float) -> None:
        """A message waits, or has waited, for a rate limit."""
        self._limited.add(max(seconds, 0.0), {"channel": channel, "by": by.value})

    def stopped(self, channels: Mapping[str, str]) -> None:
        """The channels whose destination is dead, and why."""
        self._stopped = channels

    def announce(self, channels: Iterable[str]) -> None:
        """Let the channels be these, and their counters begin at 0."""
        self._channels = tuple(channels)
        for why in REFUSALS:
            self._refused.add(0, {"reason": why})
        for ping in Ping:
            self._alive.add(0, {"outcome": ping.value})
        for channel in self._channels:
            self._duplicates.add(0, {"channel": channel})
            self._digests.add(0, {"channel": channel})
            self._template_failures.add(0, {"channel": channel})
            for end in ChartEnd:
                self._charts.add(0, {"channel": channel, "outcome": end.value})
            for by in LimitedBy:
                self._limited.add(0, {"channel": channel, "by": by.value})
            for outcome in OutcomeKind:
                self._attempts.add(0, {"channel": channel, "outcome": outcome.value})

    def _observe(self, meter: Meter) -> None:
        meter.create_observable_counter(
            "wiltonos.notifier.accepted",
            [self._see_accepted],
            "{notification}",
            "Webhooks that were committed, by what they said.",
        )
        for name, unit, description, observe in (
            (
                "config.refused",
                "{configuration}",
                "1 = the newest configuration is wrong, and the one before it is in force.",
                self._see_refusal,
            ),
            ("backlog", "{row}", "Deliveries that wait.", self._see_backlog),
            ("backlog.oldest.age", "s", "Age of the delivery that waits longest.", self._see_age),
            ("dead_letters", "{letter}", "Dead letters, by kind.", self._see_letters),
            ("channel.stopped", "{channel}", "1 = the destination is dead.", self._see_stopped),
        ):
            meter.create_observable_gauge(f"wiltonos.notifier.{name}", [observe], unit, description)

    def _see_accepted(self, _options: CallbackOptions) -> Iterable[Observation]:
        for reason, count in self._accepted.items():
            yield Observation(count, {"reason": reason.value})

    def _see_backlog(self, _options: CallbackOptions) -> Iterable[Observation]:
        backlog = self._backlog()
        if backlog is not None:
            for channel in self._channels:
                yield Observation(backlog.pending.get(channel, 0), {"channel": channel})

    def _see_age(self, _options: CallbackOptions) -> Iterable[Observation]:
        backlog = self._backlog()
        if backlog is not None and self._now is not None:
            waits = (self._now() - backlog.oldest).total_seconds() if backlog.oldest else 0.0
            yield Observation(max(waits, 0.0))

    def _see_letters(self, _options: CallbackOptions) -> Iterable[Observation]:
        backlog = self._backlog()
        if backlog is not None:
            for kind in ("delivery", "ingest"):
                yield Observation(backlog.dead_letters.get(kind, 0), {"kind": kind})

    def _see_refusal(self, _options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(int(self.refused_configuration))

    def _see_stopped(self, _options: CallbackOptions) -> Iterable[Observation]:
        for channel in self._channels:
            yield Observation(int(channel in self._stopped), {"channel": channel})
