"""Budgets, driven against the limiters of the fakes."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.deliver.classify import Answer
from notifier.deliver.outcome import Outcome, OutcomeKind
from notifier.deliver.pacing import (
    UNSAID_BAN_SECONDS,
    Budget,
    Budgets,
    DiscordPace,
    slack_bot_pace,
    slack_hook_pace,
)
from notifier.deliver.protocol import Operation
from notifier.testing.limits import Bucket, FixedWindow, SlidingWindow

POSTS = [Operation.POST, Operation.EDIT, Operation.REPLY]


@dataclass(frozen=True)
class Wish:
    """Somebody wants to send, some time after the wish before."""

    after: float
    operation: Operation
    urgent: bool
    delay: float


WISHES = st.lists(
    st.builds(
        Wish,
        after=st.one_of(st.just(0.0), st.floats(0, 3)),
        operation=st.sampled_from(POSTS),
        urgent=st.booleans(),
        delay=st.floats(0, 0.2),
    ),
    min_size=1,
    max_size=150,
)


def drive(pace: object, wishes: list[Wish], arrive: Callable[[Wish, float], float]) -> None:
    """Send each wish as early as the budgets allow; no limiter may ever say "wait"."""
    now, arrived = 0.0, 0.0
    for wish in wishes:
        now += wish.after
        now = max(now, pace.next_allowed(now, wish.operation, urgent=wish.urgent))  # type: ignore[attr-defined]
        pace.spent(now, wish.operation)  # type: ignore[attr-defined]
        # one connection keeps the order; the way takes up to 0.2 s
        arrived = max(arrived, now + wish.delay)
        assert arrive(wish, arrived) == 0.0, (wish, now)


@settings(max_examples=60, deadline=None)
@given(WISHES)
def test_discord_is_never_overdrawn(wishes: list[Wish]) -> None:
    """5 per 2 s and webhook, 30 per minute and channel, on the way jitter included."""
    own, hidden = FixedWindow(5, 2.0), SlidingWindow(30, 60.0)
    pace = DiscordPace(Budgets(), "hook")
    drive(pace, wishes, lambda _, at: own.take(at) or hidden.take(at))


@settings(max_examples=60, deadline=None)
@given(WISHES)
def test_slack_is_never_overdrawn(wishes: list[Wish]) -> None:
    """1 per second and channel, the tiers per minute and workspace."""
    channel = Bucket(burst=3, per_second=1.0)
    tiers = {Operation.EDIT: SlidingWindow(50, 60.0), Operation.POST: SlidingWindow(300, 60.0)}

    def arrive(wish: Wish, at: float) -> float:
        if wish.operation is Operation.EDIT:
            return tiers[Operation.EDIT].take(at)
        return tiers[Operation.POST].take(at) or channel.take(at)

    drive(slack_bot_pace(Budgets(), "w", "C1"), wishes, arrive)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.floats(0, 1)), min_size=1, max_size=200))
def test_channels_of_one_workspace_share_its_tiers(wishes: list[tuple[int, float]]) -> None:
    """Eight channels edit at once; the workspace's 50 edits per minute hold."""
    budgets, tier, now = Budgets(), SlidingWindow(50, 60.0), 0.0
    paces = [slack_bot_pace(budgets, "w", f"C{n}") for n in range(8)]
    for channel, after in wishes:
        now = max(now + after, paces[channel].next_allowed(now + after, Operation.EDIT))
        paces[channel].spent(now, Operation.EDIT)
        assert tier.take(now) == 0.0


def test_webhooks_of_one_channel_share_its_hidden_limit() -> None:
    """Once an answer has told the channel, both webhooks spend from one purse."""
    budgets = Budgets()
    first, second = DiscordPace(budgets, "a"), DiscordPace(budgets, "b")
    hidden, now = SlidingWindow(30, 60.0), 0.0
    for pace in (first, second):
        pace.spent(now, Operation.POST)
        hidden.take(now)
        pace.found_channel("100")
    for turn in range(60):
        pace = (first, second)[turn % 2]
        now = pace.next_allowed(now, Operation.POST, urgent=True)
        pace.spent(now, Operation.POST)
        assert hidden.take(now) == 0.0


def flood(pace: DiscordPace, seconds: float) -> float:
    """Ordinary messages without a pause; the time at their end."""
    now = 0.0
    while now < seconds:
        now = pace.next_allowed(now, Operation.POST)
        pace.spent(now, Operation.POST)
    return now


def urgently(pace: DiscordPace, now: float, count: int) -> float:
    """So many urgent messages as early as possible; the time of the last."""
    for _ in range(count):
        now = pace.next_allowed(now, Operation.POST, urgent=True)
        pace.spent(now, Operation.POST)
    return now


@pytest.mark.parametrize(("flooded", "count"), [(0.0, 20), (5.0, 20), (10.0, 20), (600.0, 10)])
def test_what_is_urgent_is_not_kept_waiting_by_what_is_not(flooded: float, count: int) -> None:
    """In the first seconds of a storm twenty leave within 15 s, in an endless one ten."""
    pace = DiscordPace(Budgets(), "hook")
    began = flood(pace, flooded)
    assert urgently(pace, began, count) - began < 15


def test_what_is_not_urgent_uses_most_of_the_limit() -> None:
    """Four fifths: keeping more back would make every backlog last longer."""
    pace, now = DiscordPace(Budgets(), "hook"), 0.0
    for _ in range(240):
        now = pace.next_allowed(now, Operation.POST)
        pace.spent(now, Operation.POST)
    assert now < 240 / 30 * 60 * 1.3


def test_headers_of_discord_are_followed() -> None:
    """A smaller or slower bucket than ours is obeyed at once."""
    pace = DiscordPace(Budgets(), "hook")
    headers = {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0"}
    answer = Answer(200, {**headers, "x-ratelimit-reset-after": "4.0"}, {})
    done = Outcome(OutcomeKind.DELIVERED)
    pace.spent(0.0, Operation.POST)
    pace.learned(0.0, Operation.POST, done, answer)
    assert pace.next_allowed(0.0, Operation.POST, urgent=True) >= 4.0
    limiter, now = SlidingWindow(2, 4.0), 10.0
    for _ in range(8):
        now = pace.next_allowed(now, Operation.POST, urgent=True)
        pace.spent(now, Operation.POST)
        assert limiter.take(now) == 0.0


@pytest.mark.parametrize("value", ["", "soon", "nan", "-1", "1e9"])
def test_odd_headers_teach_nothing(value: str) -> None:
    """Garbage changes no budget."""
    pace = DiscordPace(Budgets(), "hook")
    headers = dict.fromkeys(
        ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset-after"), value
    )
    pace.learned(0.0, Operation.POST, Outcome(OutcomeKind.DELIVERED), Answer(200, headers, {}))
    assert pace.next_allowed(0.0, Operation.POST) == 0.0


def test_a_global_limit_holds_every_channel_and_a_plain_one_only_its_own() -> None:
    """Who is told "global" tells the others."""
    budgets = Budgets()
    first, second = DiscordPace(budgets, "a"), DiscordPace(budgets, "b")
    limited = Outcome(OutcomeKind.RATE_LIMITED, retry_after_seconds=9.0)
    first.learned(0.0, Operation.POST, limited)
    assert first.next_allowed(0.0, Operation.EDIT, urgent=True) > 9.0
    assert second.next_allowed(0.0, Operation.POST) == 0.0
    wide = Outcome(OutcomeKind.RATE_LIMITED, retry_after_seconds=9.0, destination_wide=True)
    first.learned(0.0, Operation.POST, wide)
    assert second.next_allowed(0.0, Operation.POST, urgent=True) > 9.0


def test_an_edge_ban_stops_all_of_discord_for_minutes() -> None:
    """The ban is of the address, so every webhook waits."""
    budgets = Budgets()
    first, second = DiscordPace(budgets, "a"), DiscordPace(budgets, "b")
    ban = Outcome(OutcomeKind.EDGE_BAN, destination_wide=True)
    first.learned(0.0, Operation.POST, ban)
    assert second.next_allowed(0.0, Operation.POST, urgent=True) >= UNSAID_BAN_SECONDS


def test_a_limited_edit_on_slack_does_not_hold_posts() -> None:
    """Tiers are per method: a new critical message goes on."""
    pace = slack_bot_pace(Budgets(), "w", "C1")
    limited = Outcome(OutcomeKind.RATE_LIMITED, retry_after_seconds=30.0)
    pace.learned(0.0, Operation.EDIT, limited)
    assert pace.next_allowed(0.0, Operation.EDIT) > 30
    assert pace.next_allowed(0.0, Operation.POST) == 0.0


def test_a_slack_webhook_has_its_own_second() -> None:
    """Two hooks do not wait for each other."""
    budgets = Budgets()
    first, second = slack_hook_pace(budgets, "a"), slack_hook_pace(budgets, "b")
    first.spent(0.0, Operation.POST)
    assert first.next_allowed(0.0, Operation.REPLY) == 1.0
    assert second.next_allowed(0.0, Operation.POST) == 0.0


def test_a_budget_without_a_limit_only_holds() -> None:
    """Nothing is counted, holding works."""
    budget = Budget(None, 0.0)
    for _ in range(1000):
        budget.spent(0.0)
    assert budget.next_allowed(0.0) == 0.0
    budget.hold(5.0)
    budget.hold(3.0)
    assert budget.next_allowed(0.0, urgent=True) == 5.0


@given(
    limit=st.integers(1, 50),
    reserve=st.integers(0, 12),
    burst=st.none() | st.integers(1, 10),
    gaps=st.lists(st.floats(0, 20), max_size=60),
)
def test_a_chart_never_goes_where_a_message_would_not(
    limit: int, reserve: int, burst: int | None, gaps: list[float]
) -> None:
    """Whatever was sent before, a chart waits at least as long as an ordinary message."""
    budget, now = Budget(limit, 60.0, reserve=reserve, burst=burst), 0.0
    for gap in gaps:
        now += gap
        assert budget.next_idle(now) >= budget.next_allowed(now) >= now
        budget.spent(now)


@given(reserve=st.integers(0, 20), gaps=st.lists(st.floats(0, 3), min_size=1, max_size=100))
def test_charts_alone_leave_room_for_what_is_urgent(reserve: int, gaps: list[float]) -> None:
    """However many charts want to go, a critical message after any of them goes at once."""
    budget, now = Budget(30, 61.0, reserve=reserve, burst=5), 0.0
    for gap in gaps:
        now = max(now + gap, budget.next_idle(now + gap))
        budget.spent(now)
        assert budget.next_allowed(now, urgent=True) == now
