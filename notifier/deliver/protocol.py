"""What the worker needs of a chat; every deliverer keeps one contract suite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from notifier.deliver.outcome import Outcome, Receipt


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in the form of one chat, within all its limits.

    Attributes:
        payload: the rich JSON body (Slack blocks or Discord embeds), without addressing.
        plain: the plain body to send when the rich one is refused.
        marker: identifies (incident, revision), so that an unknown outcome can be looked up.
    """

    payload: Mapping[str, Any]
    plain: Mapping[str, Any]
    marker: str


class Deliverer(Protocol):
    """One channel of one chat. Never raises for what the other side does: it returns an Outcome."""

    @property
    def can_edit(self) -> bool:
        """Whether a delivered message can be changed (a plain Slack webhook cannot)."""
        ...

    async def post(self, message: Rendered) -> Outcome:
        """Post a new message."""
        ...

    async def edit(self, receipt: Receipt, message: Rendered) -> Outcome:
        """Change a message that was delivered."""
        ...

    async def reply(self, receipt: Receipt, message: Rendered) -> Outcome:
        """Post a short message that pings, beside or below the living one."""
        ...

    async def find(self, marker: str) -> Receipt | None:
        """Look for a message of ours whose outcome stayed unknown; None when there is no way."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
