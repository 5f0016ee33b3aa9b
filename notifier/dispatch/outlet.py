"""A channel ready for use: where it delivers, and how its messages look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from notifier.deliver.protocol import Deliverer, Operation, Paced, Rendered
from notifier.dispatch.gate import Gate, Turn
from notifier.dispatch.templates import ChannelTemplate
from notifier.incident import Incident, Reason
from notifier.render import Chat, RenderContext, render, render_digest, render_reply
from notifier.render.digest import Figures
from notifier.store.digests import Contents

# what makes a new message each time it is sent
POSTING = frozenset({Operation.POST, Operation.REPLY})

Actions = Callable[[Incident, datetime], Mapping[str, str]]


class PacedDeliverer(Deliverer, Paced, Protocol):
    """A deliverer that knows its budgets."""


@dataclass(frozen=True)
class Outlet:
    """One configured channel.

    Attributes:
        name: the channel's name.
        chat: decides the form of a message.
        deliverer: sends it.
        context: the surroundings of a message; its time is set at rendering.
        secret_changed: whether the file with its secret differs from what was read last.
        doubtful: whether monitoring was dead, so that an end may be no end.
        actions: the links by which readers silence an incident and undo that.
        template: the channel's own words; None leaves the default.
        gate: the line of those who post what cannot be looked up; None lets all go at once.
    """

    name: str
    chat: Chat
    deliverer: PacedDeliverer
    context: RenderContext
    secret_changed: Callable[[], bool] = lambda: False
    doubtful: Callable[[], bool] = lambda: False
    actions: Actions | None = None
    template: ChannelTemplate | None = None
    gate: Gate | None = None

    def blind(self, operation: Operation) -> bool:
        """Whether nobody could tell after a kill what became of the operation's message."""
        return operation in POSTING and not self.deliverer.can_find

    def turn(self, operation: Operation) -> Turn:
        """The turn to take before an operation."""
        return Turn(self.gate if self.blind(operation) else None)

    def message(
        self,
        incident: Incident,
        operation: Operation,
        now: datetime,
        reasons: frozenset[Reason] = frozenset(),
    ) -> Rendered:
        """The living message; or the short one that rings, for the reasons given."""
        actions = self.actions(incident, now) if self.actions else None
        context = replace(self.context, now=now, doubtful=self.doubtful(), actions=actions)
        if operation is Operation.REPLY:
            rendered = render_reply(self.chat, incident, context, reasons)
        else:
            rendered = self._living(incident, context)
            if self.template is not None:
                self.template.used(rendered.problem)
        return replace(rendered, marker=marker(incident.id, incident.revision, operation))

    def digest(self, told: Contents, takes: float, now: datetime, mark: str) -> Rendered:
        """The one message that stands for a backlog that takes so many seconds."""
        backlog = Figures(told.waiting, told.ended, told.total, takes)
        context = replace(self.context, now=now)
        return render_digest(self.chat, told.incidents, context, mark, backlog)

    def look(self, incident: Incident, now: datetime, actions: Mapping[str, str]) -> Rendered:
        """The living message for who only looks at it.

        Args:
            incident: as it stands now.
            now: aware UTC.
            actions: links in place of those by which the readers of the channel may act.
        """
        context = replace(self.context, now=now, doubtful=self.doubtful(), actions=actions)
        return self._living(incident, context)

    def _living(self, incident: Incident, context: RenderContext) -> Rendered:
        template = self.template.current() if self.template is not None else None
        return render(self.chat, incident, context, template)


def marker(incident_id: str, revision: int, operation: Operation) -> str:
    """Identifies a message, so that one whose outcome stayed unknown can be looked up."""
    suffix = ":reply" if operation is Operation.REPLY else ""
    return f"{incident_id}:{revision}{suffix}"
