"""How fast a chat lets us talk: pure budgets, told the time, corrected by what the chat says."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notifier.deliver.classify import Answer
from notifier.deliver.outcome import Outcome, OutcomeKind
from notifier.deliver.protocol import Operation

UNSAID_WAIT_SECONDS = 5.0
UNSAID_BAN_SECONDS = 300.0
# requests that left at the far ends of a window can arrive closer together
JITTER_SECONDS = 0.25


class Budget:
    """At most ``limit`` requests in any ``seconds``, and none while held.

    Args:
        limit: how many; None counts nothing and only holds.
        seconds: length of the window.
        reserve: how many of them only urgent requests may use.
        burst: how many may follow each other at once before what is not urgent is spread evenly,
            so that it never fills the window just before something urgent comes; None spreads
            nothing.

    Attributes:
        times: when the last requests left, oldest first; at most ``limit``.
        held_until: nothing is allowed before this second.
    """

    def __init__(
        self, limit: int | None, seconds: float, *, reserve: int = 0, burst: int | None = None
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._reserve = reserve
        self._burst = burst
        self.times: deque[float] = deque()
        self.held_until = -math.inf

    def next_allowed(self, now: float, *, urgent: bool = False) -> float:
        """The first second, not before ``now``, at which one more request fits."""
        earliest = max(now, self.held_until)
        if self._limit is None:
            return earliest
        if urgent:
            return max(earliest, self._freed(self._limit, self._seconds))
        share = max(self._limit - self._reserve, 1)
        burst = share if self._burst is None else self._burst
        spread = self._freed(burst, self._seconds * burst / share)
        return max(earliest, self._freed(share, self._seconds), spread)

    def seconds_for(self, count: int) -> float:
        """How long so many requests take that are not urgent, when nothing else is sent."""
        if self._limit is None:
            return 0.0
        return count * self._seconds / max(self._limit - self._reserve, 1)

    def next_idle(self, now: float) -> float:
        """The first second at which half of what every request may use is still free.

        For what nobody waits for: a message that comes right after it finds room.
        """
        earliest = self.next_allowed(now)
        if self._limit is None:
            return earliest
        share = max((self._limit - self._reserve) // 2, 1)
        burst = share if self._burst is None else max(min(self._burst, share) // 2, 1)
        spread = self._freed(burst, self._seconds * burst / share)
        return max(earliest, self._freed(share, self._seconds), spread)

    def _freed(self, count: int, seconds: float) -> float:
        """When the last ``count`` requests will be ``seconds`` old."""
        return self.times[-count] + seconds if len(self.times) >= count else -math.inf

    def spent(self, now: float) -> None:
        """Count a request that leaves now."""
        if self._limit is None:
            return
        self.times.append(now)
        while len(self.times) > self._limit:
            self.times.popleft()

    def hold(self, until: float) -> None:
        """Allow nothing before this second."""
        self.held_until = max(self.held_until, until)

    def resize(self, limit: int, seconds: float) -> None:
        """Follow what the other side says of its window; never below one request."""
        self._limit, self._seconds = max(limit, 1), seconds

    def merge(self, other: "Budget") -> None:
        """Count what another budget for the same thing has counted."""
        self.times = deque(sorted((*self.times, *other.times))[-(self._limit or 1) :])
        self.hold(other.held_until)


class Budgets:
    """The budgets that several channels of one destination share, by what they stand for.

    They outlive the channels: one that a new configuration makes anew spends what is left.
    """

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], Budget] = {}

    def share(self, key: tuple[str, ...], budget: Budget) -> None:
        """Let the name stand for a budget that is known by another one already."""
        self._shared[key] = budget

    def shared(self, key: tuple[str, ...], make: Callable[[], Budget]) -> Budget:
        """The budget of this name; the first to ask makes it."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


@dataclass(slots=True)
class Pace:
    """What the requests of one channel spend.

    Attributes:
        by_operation: the budgets of each operation, the narrowest first.
        destination: spent by nothing; holds every channel of the destination.
    """

    by_operation: Mapping[Operation, tuple[Budget, ...]]
    destination: Budget

    def next_allowed(self, now: float, operation: Operation, *, urgent: bool = False) -> float:
        """The first second, not before ``now``, at which every budget allows it."""
        budgets = (self.destination, *self.by_operation.get(operation, ()))
        return max(budget.next_allowed(now, urgent=urgent) for budget in budgets)

    def seconds_for(self, operation: Operation, count: int) -> float:
        """How long so many requests take that are not urgent."""
        budgets = self.by_operation.get(operation, ())
        return max((budget.seconds_for(count) for budget in budgets), default=0.0)

    def next_idle(self, now: float) -> float:
        """The first second at which uploading a chart and showing it takes nothing away."""
        attach, edit = (self.by_operation.get(o, ()) for o in (Operation.ATTACH, Operation.EDIT))
        return max(each.next_idle(now) for each in (self.destination, *attach, *edit))

    def spent(self, now: float, operation: Operation) -> None:
        """Count a request that leaves now."""
        for budget in self.by_operation.get(operation, ()):
            budget.spent(now)

    def learned(self, now: float, operation: Operation, outcome: Outcome) -> None:
        """Hold what the outcome tells to hold."""
        wait = _wait(outcome)
        if wait is None:
            return
        narrowest = next(iter(self.by_operation.get(operation, ())), self.destination)
        (self.destination if outcome.destination_wide else narrowest).hold(now + wait)


def _wait(outcome: Outcome) -> float | None:
    if outcome.kind is OutcomeKind.RATE_LIMITED:
        said = outcome.retry_after_seconds
        return (UNSAID_WAIT_SECONDS if said is None else said) + JITTER_SECONDS
    if outcome.kind is OutcomeKind.EDGE_BAN:
        return max(outcome.retry_after_seconds or 0.0, UNSAID_BAN_SECONDS)
    return None


def slack_bot_pace(budgets: Budgets, workspace: str, channel: str) -> Pace:
    """One message per second and channel; the tiers of a workspace, per method.

    docs.slack.dev, "Rate limits": 1 message per second per channel, "several hundred" per
    minute and workspace, tier 3 = 50 per minute (``chat.update``, ``conversations.history``),
    tier 4 = 100 per minute (uploads, whose three calls share one budget here).
    """

    def tier(name: str, limit: int, reserve: int) -> Budget:
        return budgets.shared(
            ("slack", workspace, name), lambda: Budget(limit, 61.0, reserve=reserve)
        )

    own = budgets.shared(("slack", workspace, "channel", channel), lambda: Budget(1, 1.0))
    posts = (own, tier("post", 240, 60))
    return Pace(
        by_operation={
            Operation.POST: posts,
            Operation.REPLY: posts,
            Operation.EDIT: (tier("edit", 48, 12),),
            Operation.DELETE: (tier("delete", 48, 0),),
            Operation.FIND: (tier("find", 48, 0),),
            Operation.ATTACH: (tier("attach", 90, 0),),
        },
        destination=budgets.shared(("slack", workspace), lambda: Budget(None, 0.0)),
    )


def slack_hook_pace(budgets: Budgets, hook: str) -> Pace:
    """One message per second and incoming webhook."""
    own = budgets.shared(("slack-hook", hook), lambda: Budget(1, 1.0))
    return Pace(
        by_operation={Operation.POST: (own,), Operation.REPLY: (own,)},
        destination=budgets.shared(("slack-hook",), lambda: Budget(None, 0.0)),
    )


def discord_channel_budget() -> Budget:
    """30 per minute and channel, which no header shows.

    Six are kept for what is urgent, and what is not is spread after the first five: a burst
    that filled the window would keep the next critical message waiting for most of a minute.
    """
    return Budget(30, 61.0, reserve=6, burst=5)


class DiscordPace:
    """The budgets of one Discord webhook: its own, its channel's, the address's.

    Args:
        budgets: where shared ones are found.
        hook: identifies the webhook.
    """

    def __init__(self, budgets: Budgets, hook: str) -> None:
        self._budgets = budgets
        self._limit, self._seconds = 5, 2.0
        self._channel = ""
        self._hook = hook
        self._own = budgets.shared(("discord-hook", hook), self._make_own)
        self._hidden = budgets.shared(("discord-hook", hook, "hidden"), discord_channel_budget)
        self._all = budgets.shared(("discord",), lambda: Budget(None, 0.0))

    def _make_own(self) -> Budget:
        return Budget(self._limit, self._seconds + JITTER_SECONDS)

    def next_allowed(self, now: float, _operation: Operation, *, urgent: bool = False) -> float:
        """The first second, not before ``now``, at which every budget allows a request."""
        budgets = (self._own, self._hidden, self._all)
        return max(budget.next_allowed(now, urgent=urgent) for budget in budgets)

    def seconds_for(self, _operation: Operation, count: int) -> float:
        """How long so many requests take that are not urgent."""
        return max(self._own.seconds_for(count), self._hidden.seconds_for(count))

    def next_idle(self, now: float) -> float:
        """The first second at which showing a chart takes nothing away."""
        return max(each.next_idle(now) for each in (self._own, self._hidden, self._all))

    def spent(self, now: float, _operation: Operation) -> None:
        """Count a request that leaves now; edits cost as much as posts."""
        self._own.spent(now)
        self._hidden.spent(now)

    def learned(
        self, now: float, _operation: Operation, outcome: Outcome, answer: Answer | None = None
    ) -> None:
        """Follow the headers of an answer and hold what the outcome tells to hold."""
        if answer is not None:
            self._follow(now, answer)
        wait = _wait(outcome)
        if wait is not None:
            (self._all if outcome.destination_wide else self._hidden).hold(now + wait)

    def _follow(self, now: float, answer: Answer) -> None:
        limit = _number(answer.headers.get("x-ratelimit-limit"))
        remaining = _number(answer.headers.get("x-ratelimit-remaining"))
        reset = _number(answer.headers.get("x-ratelimit-reset-after"))
        if reset is None:
            return
        if remaining == 0:
            self._own.hold(now + reset + JITTER_SECONDS)
        seconds = max(self._seconds, reset)
        if limit is not None and (int(limit), seconds) != (self._limit, self._seconds):
            self._limit, self._seconds = int(limit), seconds
            self._own.resize(self._limit, seconds + JITTER_SECONDS)

    def found_channel(self, channel: str) -> None:
        """Share the hidden budget with every other webhook of the same channel."""
        if not channel or channel == self._channel:
            return
        self._channel = channel
        shared = self._budgets.shared(("discord-channel", channel), discord_channel_budget)
        if shared is not self._hidden:
            shared.merge(self._hidden)
        self._hidden = shared
        self._budgets.share(("discord-hook", self._hook, "hidden"), shared)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 3600 else None
