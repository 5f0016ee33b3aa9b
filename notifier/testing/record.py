"""What a fake has recorded: messages, every version of them, and who was notified."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """A message as it was shown from some second on.

    Attributes:
        at: monotonic second of the fake's clock.
        payload: the JSON body as the fake understood it.
        pings: who was notified by this version. Edits notify nobody, on either chat.
        files: names of the files shown with it.
    """

    at: float
    payload: Mapping[str, Any]
    pings: frozenset[str]
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class FakeMessage:
    """A message in a channel of a fake.

    Attributes:
        channel: where it is shown.
        id: Slack ``ts`` or Discord message id.
        thread: the message it replies to; "" at top level.
        author: the bot or webhook that posted it.
        history: every version, oldest first.
        deleted: whether it has been taken away.
    """

    channel: str
    id: str
    thread: str
    author: str
    history: list[Version] = field(default_factory=list)
    deleted: bool = False

    @property
    def payload(self) -> Mapping[str, Any]:
        """The body as it is shown now."""
        return self.history[-1].payload

    @property
    def text(self) -> str:
        """Every text that a reader sees now, one per line."""
        return "\n".join(_texts(self.payload))

    @property
    def pings(self) -> frozenset[str]:
        """Everybody whom it has notified, over all its versions."""
        return frozenset().union(*(version.pings for version in self.history))

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files shown with it now."""
        return self.history[-1].files

    @property
    def edits(self) -> int:
        """How often it was edited."""
        return len(self.history) - 1


_SHOWN = ("text", "content", "title", "description", "name", "value", "alt_text")


def _texts(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        found = [node[key] for key in _SHOWN if isinstance(node.get(key), str)]
        for child in node.values():
            found += _texts(child) if isinstance(child, Mapping | list) else []
        return found
    if isinstance(node, list):
        return [text for child in node for text in _texts(child)]
    return []
