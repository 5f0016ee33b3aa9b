"""Ends that were read, and what fires after them."""

from datetime import UTC, datetime, timedelta

from notifier.alerts import AlertStatus
from notifier.incident import Incident, IncidentAlert, Phase
from notifier.silences.ends import KEPT, MOST_KEPT, ReadEnd, begun_again, still_kept
from notifier.silences.model import ListedAlert

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def end(fingerprint: str, receiver: str = "chats", at: datetime = NOW) -> ReadEnd:
    """An end that was read."""
    return ReadEnd("i", receiver, fingerprint, at)


def firing(fingerprint: str) -> Incident:
    """An incident of the receiver ``chats`` in which it fires."""
    alert = IncidentAlert(fingerprint, AlertStatus.FIRING, {}, {}, NOW, None, "g")
    return Incident("j", "chats", "k", ("g",), {}, Phase.FIRING, 1, NOW, None, (alert,))


def test_what_fires_again_has_been_told() -> None:
    """To its own receiver; another one may hear of it yet."""
    ends = (end("a"), end("b"), end("a", "others"))
    assert still_kept(ends, [firing("a")], NOW) == (end("b"), end("a", "others"))


def test_ends_are_kept_as_long_as_alertmanager_remembers_what_it_told() -> None:
    """After that it tells what fires by itself; a storm of them stays bounded."""
    assert still_kept((end("a"),), [], NOW + KEPT - timedelta(seconds=1)) == (end("a"),)
    assert still_kept((end("a"),), [], NOW + KEPT) == ()
    many = tuple(end(str(number)) for number in range(MOST_KEPT + 1))
    assert still_kept(many, [], NOW) == many[1:]


def test_what_something_holds_back_is_not_told() -> None:
    """Silenced, inhibited or in a muted time: whoever wanted that wants it still."""
    alerts = {"a": ListedAlert("a", (), active=True), "b": ListedAlert("b", ("s1",))}
    assert begun_again((end("a"), end("b"), end("c")), alerts) == {"i": ["a"]}
