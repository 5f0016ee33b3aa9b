"""From a notification to what every channel should show."""

from datetime import UTC, datetime, timedelta

from notifier.alerts import AlertStatus
from notifier.incident.planner import Plan, Planner, Route
from notifier.ingest.payload import parse
from notifier.testing.webhooks import Body, alert, encoded, webhook
from notifier.watch.own import OwnAlert, own_notification

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROUTES = (Route("all"), Route("critical", {"severity": ("critical", "page"), "team": ("core",)}))
PLANNER = Planner(routes=ROUTES)


def plan(body: Body, before: Plan | None = None, minutes: float = 0) -> Plan:
    """The plan for a body that arrives at that minute."""
    incident = before.step.incident if before else None
    return PLANNER.plan(incident, parse(encoded(body)), NOW + timedelta(minutes=minutes))


def test_a_channel_gets_what_any_single_alert_matches() -> None:
    """All labels of a match must be those of one alert, not of several together."""
    apart = webhook(alert("A", severity="critical"), alert("B", labels={"team": "core"}))
    assert [want.channel for want in plan(apart).wants] == ["all"]
    one = webhook(alert("A", severity="critical", labels={"team": "core"}))
    assert [want.channel for want in plan(one).wants] == ["all", "critical"]


def test_what_a_channel_does_not_want_does_not_ring_there() -> None:
    """Its message shows the whole incident; what joins wakes only who asked for it."""
    core = {"team": "core"}
    first = plan(webhook(alert("A", severity="critical", labels=core)))
    joined = plan(webhook(alert("B")), first, 1)
    assert [(want.channel, want.ring) for want in joined.wants] == [
        ("all", True),
        ("critical", False),
    ]
    worse = plan(webhook(alert("C", severity="page", labels=core)), joined, 2)
    assert [want.ring for want in worse.wants] == [True, True]


def test_nothing_is_wanted_where_nothing_changed() -> None:
    """A repetition asks no channel for anything."""
    first = plan(webhook(alert()))
    assert plan(webhook(alert()), first).wants == ()


def test_what_is_over_opens_no_message_and_waits_for_what_fires() -> None:
    """A resolved incident is only wanted where its message is, after everything that fires."""
    first = plan(webhook(alert(severity="critical")))
    over = plan(webhook(alert(severity="critical", ends_at=NOW)), first)
    assert [(want.opens, want.priority) for want in first.wants] == [(True, 4)]
    assert [(want.opens, want.priority) for want in over.wants] == [(False, 0)]


def test_flapping_rings_ever_more_rarely() -> None:
    """The first, second, fourth and eighth return ring; the message counts them all."""
    rung = []
    last = plan(webhook(alert(starts_at=NOW)))
    for number in range(1, 10):
        start = NOW + timedelta(minutes=2 * number)
        end = alert(starts_at=NOW, ends_at=start - timedelta(minutes=1))
        last = plan(webhook(end), last, 2 * number - 1)
        last = plan(webhook(alert(starts_at=start)), last, 2 * number)
        rung += [number for want in last.wants if want.ring]
    assert rung == [1, 2, 4, 8]


def test_own_incidents_go_everywhere_but_to_the_channel_they_are_about() -> None:
    """No match keeps "alerting is down" from a channel; a dead one cannot tell of itself."""
    down = own_notification(OwnAlert.ALERTING_DOWN, AlertStatus.FIRING, NOW, seconds="180")
    assert [w.channel for w in PLANNER.plan(None, down, NOW).wants] == ["all", "critical"]
    dead = own_notification(
        OwnAlert.CHANNEL_DEAD, AlertStatus.FIRING, NOW, "pt-BR", channel="all", reason="404"
    )
    assert [w.channel for w in PLANNER.plan(None, dead, NOW).wants] == ["critical"]
    assert "inacessível" in dead.alerts[0].annotations["summary"]


def test_folding_does_not_reach_own_incidents() -> None:
    """Two dead channels are two incidents, however others are folded."""
    planner = Planner(incident_by=("service",))
    digests = {
        planner.identify(
            own_notification(
                OwnAlert.CHANNEL_DEAD, AlertStatus.FIRING, NOW, channel=name, reason="x"
            )
        ).digest
        for name in ("a", "b")
    }
    assert len(digests) == 2
