"""What the worker needs of a chat; every deliverer keeps one contract suite."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from notifier.deliver.outcome import Outcome, Receipt


class Operation(StrEnum):
    """What a request to a chat does; each has its own budget on the other side."""

    POST = "post"
    EDIT = "edit"
    REPLY = "reply"
    DELETE = "delete"
    FIND = "find"
    ATTACH = "attach"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in the form of one chat, within all its limits.

    Attributes:
        payload: the rich JSON body (Slack blocks or Discord embeds), without addressing.
        plain: the plain body to send when the rich one is refused.
        marker: identifies (incident, revision), so that an unknown outcome can be looked up.
        problem: what the channel's template failed at, so that the default serves; "" is well.
    """

    payload: Mapping[str, Any]
    plain: Mapping[str, Any]
    marker: str
    problem: str = ""


class Deliverer(Protocol):
    """One channel of one chat. Never raises for what the other side does: it returns an Outcome."""

    @property
    def can_edit(self) -> bool:
        """Whether a delivered message can be changed (a plain Slack webhook cannot)."""
        ...

    @property
    def can_find(self) -> bool:
        """Whether a post whose answer was lost can be looked up (a webhook cannot)."""
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

    async def find(self, marker: str, thread: Receipt | None = None) -> Receipt | None:
        """Look for a message of ours whose outcome stayed unknown; None when there is no way.

        Args:
            marker: that of the message.
            thread: the message below which it would be; None looks at top level.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Paced(Protocol):
    """A deliverer that knows its budgets; every deliverer of ours is one."""

    def next_allowed(self, operation: Operation, *, urgent: bool = False) -> float:
        """The monotonic second of its clock from which one such request fits every budget.

        The request itself spends the budget in the first step of its call, so a caller that
        does not await between asking and calling never overdraws it.

        Args:
            operation: what the caller wants to do.
            urgent: may use the share that is kept back for what cannot wait.
        """
        ...

    def seconds_for(self, operation: Operation, count: int) -> float:
        """How long so many such requests take within the budgets, none of them urgent."""
        ...


@runtime_checkable
class Removing(Protocol):
    """A deliverer that can take a message away, for ``wt notifier test``."""

    async def delete(self, receipt: Receipt) -> Outcome:
        """Take a delivered message away; one that is gone already counts as delivered."""
        ...


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture for a message.

    Attributes:
        png: the picture.
        alt: the same in words.
        file: what the chat calls it after the upload; "" before, and where it goes with the edit.
    """

    png: bytes
    alt: str
    file: str = ""


@runtime_checkable
class Charting(Protocol):
    """A deliverer that can show a chart inside a delivered message."""

    def next_idle(self) -> float:
        """The monotonic second of its clock from which a chart takes nothing from a message.

        Nobody waits for a chart, so it may use half of what is not kept back for the urgent.
        """
        ...

    async def upload(self, chart: Chart) -> tuple[Outcome, Chart]:
        """Bring the picture to the chat, where that is a request of its own; shows it nowhere."""
        ...

    async def attach(self, receipt: Receipt, message: Rendered, chart: Chart) -> Outcome:
        """Show the uploaded chart in the message, in place of the one it shows now: one edit.

        PAYLOAD_REFUSED may also mean that the chat has not looked at the picture yet. The
        receipt of the outcome names the chart; an edit with that receipt keeps it.
        """
        ...

    async def discard(self, file: str) -> Outcome | None:
        """Take away an uploaded picture that no message shows; None where nothing is left of it.

        One that is gone already counts as delivered.
        """
        ...
