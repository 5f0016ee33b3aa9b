"""Two hundred messages in ten seconds through the limits of the real chats."""

import random
from typing import Any

from notifier.deliver.outcome import OutcomeKind
from notifier.deliver.protocol import Operation

CRITICAL, ALL, SECONDS = 20, 200, 10.0
# at one message per second on Slack; at thirty per minute on Discord, a fifth kept back
SETTLED_SECONDS = {"slack": 205.0, "slack_webhook": 205.0, "discord_webhook": 520.0}


async def test_a_storm_meets_no_limit_and_shows_what_is_critical_first(chat: Any) -> None:
    """No 429, each critical within 15 s of its arrival, all in the time that the limits allow."""
    critical = set(random.Random(3).sample(range(ALL), CRITICAL))
    began = chat.clock.monotonic()
    arriving = [(began + n * SECONDS / ALL, n) for n in range(ALL)]
    waiting: list[tuple[bool, float, int]] = []
    waited: dict[int, float] = {}
    while arriving or waiting:
        now = chat.clock.monotonic()
        while arriving and arriving[0][0] <= now:
            at, number = arriving.pop(0)
            waiting.append((number not in critical, at, number))
        waiting.sort()
        wakes = [arriving[0][0]] if arriving else []
        if waiting:
            urgent = not waiting[0][0]
            allowed = chat.deliverer.next_allowed(Operation.POST, urgent=urgent)
            if allowed <= now:
                _, at, number = waiting.pop(0)
                outcome = await chat.deliverer.post(chat.message(str(number)))
                assert outcome.kind is OutcomeKind.DELIVERED
                waited[number] = now - at
                continue
            wakes.append(allowed)
        await chat.clock.advance(min(wakes) - now)
    assert chat.fake.answers[429] == 0
    assert max(waited[number] for number in critical) < 15
    assert chat.clock.monotonic() - began < SETTLED_SECONDS[chat.kind]
    assert len(chat.messages) == ALL
