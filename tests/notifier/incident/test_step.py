"""The step that a notification makes an incident take."""

from datetime import UTC, datetime, timedelta
from itertools import count, permutations

from hypothesis import given
from hypothesis import strategies as st

from notifier.alerts import Notification
from notifier.incident import Incident, Phase, Reason, Step, step
from notifier.incident.planner import rings
from notifier.incident.step import KEPT_RESOLVED
from notifier.ingest.payload import parse
from notifier.testing.webhooks import Body, alert, encoded, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
REOPEN_SECONDS = 600.0


def at(minutes: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minutes)


class Play:
    """Feeds notifications to one incident after the other."""

    def __init__(self, incident_by: tuple[str, ...] = ()) -> None:
        self.incident: Incident | None = None
        self._by = incident_by
        self._ids = count()

    def __call__(self, body: Body, minute: float = 0.0) -> Step:
        """Take the body in at that minute."""
        made = step(
            self.incident,
            notification(body),
            self._by,
            at(minute),
            REOPEN_SECONDS,
            lambda: f"incident-{next(self._ids)}",
        )
        self.incident = made.incident
        return made


def notification(body: Body) -> Notification:
    """What the receiver makes of the body."""
    return parse(encoded(body))


def firing(name: str = "A", start: float = 0.0, severity: str = "warning") -> Body:
    """An alert that fires since that minute."""
    return alert(name, starts_at=at(start), severity=severity)


def resolved(name: str = "A", start: float = 0.0, end: float = 1.0) -> Body:
    """An alert that fired from one minute to the other."""
    return alert(name, starts_at=at(start), ends_at=at(end))


def test_the_first_notification_opens_an_incident() -> None:
    """It fires, has revision 1, and began when its alert did."""
    made = Play()(webhook(firing(start=1)), 2)
    assert made.changed
    assert made.reasons == {Reason.FIRST, Reason.NEW_ALERT}
    assert made.incident is not None
    assert made.incident.phase is Phase.FIRING
    assert made.incident.revision == 1
    assert made.incident.opened_at == at(1)


def test_a_repeated_notification_changes_nothing() -> None:
    """Neither a retry nor Alertmanager's repeat interval makes a new revision."""
    play = Play()
    first = play(webhook(firing()))
    again = play(webhook(firing()), 240)
    assert again == Step(first.incident, frozenset({Reason.REPEATED}), changed=False)


def test_what_is_told_anew_of_what_goes_on_is_shown() -> None:
    """A repetition hours later says how it stands now; it rings nowhere."""
    play = Play()
    play(webhook(firing()))
    later = webhook(alert("A", starts_at=at(0), annotations={"summary": "at 99 %"}))
    assert play(later, 4).reasons == {Reason.REPEATED}, "a straggler may be older"
    made = play(later, 240)
    assert made.changed
    assert made.reasons == {Reason.UPDATED}
    assert made.incident is not None
    assert made.incident.alerts[0].annotations == {"summary": "at 99 %"}
    assert made.incident.annotations == {"summary": "at 99 %"}
    assert not rings(made)
    assert not play(later, 241).changed


def test_a_second_alertmanager_is_not_news() -> None:
    """Another start and another address are no difference: a pair runs without a cluster."""
    play = Play()
    play(webhook(firing(start=0)))
    other = play(webhook(firing(start=0.5), externalURL="http://other:9093"), 1)
    assert not other.changed


def test_a_new_and_worse_alert_says_both() -> None:
    """A critical alert that joins a warning is new and worse."""
    play = Play()
    play(webhook(firing("A")))
    made = play(webhook(firing("A"), firing("B", severity="critical")), 1)
    assert made.reasons >= {Reason.NEW_ALERT, Reason.WORSE}
    assert made.incident is not None
    assert made.incident.revision == 2


def test_state_accumulates_over_notifications() -> None:
    """An alert that resolved earlier is absent from the last body, and still part of the end."""
    play = Play()
    play(webhook(firing("A"), firing("B")))
    part = play(webhook(resolved("A"), firing("B")), 1)
    assert part.reasons == {Reason.PARTLY_RESOLVED}
    end = play(webhook(resolved("B", end=2)), 2)
    assert end.reasons == {Reason.RESOLVED}
    assert end.incident is not None
    assert end.incident.phase is Phase.RESOLVED
    assert end.incident.resolved_at == at(2)
    assert len(end.incident.alerts) == 2


def test_firing_again_soon_reopens_the_same_incident() -> None:
    """Within the time it is a flap of the same incident, and counted."""
    play = Play()
    play(webhook(firing()))
    play(webhook(resolved(end=1)), 1)
    made = play(webhook(firing(start=5)), 5)
    assert made.reasons == {Reason.REOPENED}
    assert made.incident is not None
    assert (made.incident.id, made.incident.reopened) == ("incident-0", 1)
    assert made.incident.resolved_at is None


def test_firing_again_late_is_another_incident() -> None:
    """After the time the old incident stays as it was, and only what is new is in the other."""
    play = Play()
    play(webhook(firing("A"), firing("B")))
    play(webhook(resolved("A"), resolved("B")), 1)
    made = play(webhook(resolved("A"), firing("B", start=60)), 60)
    assert made.incident is not None
    assert made.incident.id == "incident-1"
    assert [each.name for each in made.incident.alerts] == ["B"]


def test_resolve_before_firing_is_remembered() -> None:
    """The straggling "firing" of an alert that has ended opens nothing that would fire for ever."""
    play = Play()
    first = play(webhook(resolved(end=1)), 1)
    assert first.incident is not None
    assert first.incident.phase is Phase.RESOLVED
    late = play(webhook(firing(start=0)), 2)
    assert late.reasons == {Reason.STALE}
    assert not late.changed


def test_an_alert_that_went_on_after_a_timeout_fires_again() -> None:
    """Alertmanager times an alert out when Prometheus is away, and hears later that it went on."""
    play = Play()
    play(webhook(firing()))
    play(webhook(resolved(end=4)), 4)
    made = play(webhook(firing(start=0)), 10)
    assert made.reasons == {Reason.REOPENED}
    assert play(webhook(resolved(end=12)), 12).reasons == {Reason.RESOLVED}


def test_a_clock_that_was_set_back_keeps_no_alert_firing() -> None:
    """An end that was an hour ahead is followed by a start and an end of the right time."""
    play = Play()
    play(webhook(firing()))
    play(webhook(resolved(end=64)), 4)
    assert play(webhook(firing(start=9)), 10).reasons == {Reason.REOPENED}
    assert play(webhook(resolved(start=9, end=16)), 16).reasons == {Reason.RESOLVED}


def test_a_start_in_the_future_ends_as_well() -> None:
    """The clock of whoever sent it was wrong then; the end is not."""
    play = Play()
    play(webhook(firing(start=90)))
    assert play(webhook(resolved(start=5, end=6)), 6).reasons == {Reason.RESOLVED}


def test_what_fires_after_the_clock_was_set_back_is_news() -> None:
    """Everybody's clock was an hour ahead when it ended; what fires now is no straggler of then."""
    play = Play()
    play(webhook(firing(start=60)), 60)
    play(webhook(resolved(start=60, end=64)), 64)
    assert play(webhook(firing(start=9)), 10).reasons == {Reason.REOPENED}


def test_what_ends_after_the_clock_was_set_back_is_over() -> None:
    """Nobody would say it a second time."""
    play = Play()
    play(webhook(firing(start=60)), 60)
    assert play(webhook(resolved(start=9, end=10)), 10).reasons == {Reason.RESOLVED}
    assert play(webhook(firing(start=11)), 11).reasons == {Reason.REOPENED}


def test_a_replica_whose_clock_is_a_little_behind_takes_no_straggler_for_news() -> None:
    """What one replica has seen, another one may take up a moment earlier by its own clock."""
    play = Play()
    play(webhook(firing(start=1)), 1)
    play(webhook(resolved(start=1, end=2)), 2)
    assert play(webhook(firing(start=1)), 2 - 1 / 60).reasons == {Reason.STALE}


def test_an_old_end_does_not_hide_what_fires() -> None:
    """However late it comes: a message too many is better than one too few."""
    play = Play()
    play(webhook(firing(start=20)), 20)
    assert play(webhook(resolved(end=10)), 90).reasons == {Reason.STALE}


def test_groups_that_agree_on_the_labels_fold() -> None:
    """One incident per job and instance; over only when every group is."""
    play = Play(("job", "instance"))
    labels = {"job": "j", "instance": "i"}
    play(webhook(firing("A"), group_key="a", group_labels=labels | {"alertname": "A"}))
    play(webhook(firing("B"), group_key="b", group_labels=labels | {"alertname": "B"}), 1)
    part = play(webhook(resolved("A"), group_key="a", group_labels=labels), 2)
    assert part.incident is not None
    assert part.incident.phase is Phase.FIRING
    assert part.incident.group_keys == ("a", "b")
    assert part.incident.labels == labels


def test_an_empty_notification_is_no_incident() -> None:
    """A group without alerts says nothing."""
    assert Play()(webhook()) == Step(None, frozenset({Reason.EMPTY}), changed=False)


def test_what_the_sender_left_out_is_news_when_it_grows() -> None:
    """A group beyond max_alerts shows how many alerts are not listed."""
    play = Play()
    play(webhook(firing()))
    made = play(webhook(firing(), truncatedAlerts=7), 1)
    assert made.reasons == {Reason.TRUNCATED}
    assert made.incident is not None
    assert made.incident.truncated_alerts == 7


def test_a_long_life_stays_bounded() -> None:
    """Only the newest resolved alerts are kept, and every firing one."""
    play = Play()
    gone = [resolved(f"old{number}", end=number / 1000) for number in range(KEPT_RESOLVED + 50)]
    made = play(webhook(firing("A")))
    made = play(webhook(firing("A"), *gone), 1)
    assert made.incident is not None
    assert len(made.incident.alerts) == KEPT_RESOLVED + 1
    assert "old0" not in {each.name for each in made.incident.alerts}


# the life of one alert: it fires and resolves in turns, each at its own minute
lives = st.lists(st.integers(1, 30), min_size=1, max_size=5, unique=True).map(sorted)


@given(lives=st.lists(lives, min_size=1, max_size=3), data=st.data())
def test_any_order_of_any_bodies_ends_in_the_right_state(
    lives: list[list[int]], data: st.DataObject
) -> None:
    """Delayed, repeated and reordered, the bodies lead to the last state of every alert."""
    bodies = [body for number, life in enumerate(lives) for body in _bodies(f"A{number}", life)]
    order = data.draw(st.permutations(bodies + data.draw(st.lists(st.sampled_from(bodies)))))
    play = Play()
    for body in order:
        play(body, 31)
    incident = play.incident
    assert incident is not None
    open_ones = {f"A{number}" for number, life in enumerate(lives) if len(life) % 2}
    assert {each.name for each in incident.firing} == open_ones
    assert incident.phase is (Phase.FIRING if open_ones else Phase.RESOLVED)


def _bodies(name: str, life: list[int]) -> list[Body]:
    bodies = []
    for index, minute in enumerate(life):
        if index % 2 == 0:
            bodies.append(webhook(firing(name, start=minute)))
        else:
            start = life[index - 1]
            bodies.append(webhook(resolved(name, start=start, end=minute)))
    return bodies


def test_every_order_of_a_short_life_ends_alike() -> None:
    """Fire, resolve, fire, resolve: all 24 orders of arrival end resolved."""
    bodies = _bodies("A", [26, 27, 28, 29])
    for order in permutations(bodies):
        play = Play()
        for body in order:
            play(body, 30)
        assert play.incident is not None
        assert play.incident.phase is Phase.RESOLVED


@given(lives, st.data())
def test_a_revision_grows_by_one_exactly_when_something_changed(
    life: list[int], data: st.DataObject
) -> None:
    """Readers can rely on the revision to tell whether they have seen it."""
    play = Play()
    for body in data.draw(st.permutations(_bodies("A", life))):
        before = play.incident
        made = play(body, 31)
        assert made.incident is not None
        assert made.reasons
        same = before is not None and before.id == made.incident.id
        grown = made.incident.revision - (before.revision if before and same else 0)
        assert grown == int(made.changed)


def test_a_delayed_firing_of_the_incident_before_counts_for_nothing() -> None:
    """A new incident remembers the ends of the one before it, and shows none of them."""
    play = Play()
    play(webhook(resolved("A", start=1, end=2)), 30)
    opened = play(webhook(firing("B", start=25)), 30)
    late = play(webhook(firing("A", start=1)), 30)
    assert opened.incident is not None
    assert late.incident is not None
    assert late.incident.id == opened.incident.id
    assert {each.name for each in late.incident.alerts} == {"B"}
    assert not late.changed
