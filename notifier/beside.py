"""Work on incidents of very many alerts, beside the event loop.

What a message or a page says of two hundred thousand alerts takes seconds, in which no webhook
and no health check would be answered. What is usual takes no detour.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from notifier.incident import Incident

R = TypeVar("R")
# what is said of so many takes a few milliseconds
MANY_ALERTS = 2_000


def are_many(incidents: Iterable[Incident]) -> bool:
    """Whether what is said of them takes long."""
    return sum(len(incident.alerts) for incident in incidents) > MANY_ALERTS


async def beside(incidents: Iterable[Incident], work: Callable[[], R]) -> R:
    """Do it: in a thread where the incidents are large, else at once and without a pause."""
    return await asyncio.to_thread(work) if are_many(incidents) else work()
