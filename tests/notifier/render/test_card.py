"""What a message says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.alerts import AlertStatus
from notifier.incident.model import Phase
from notifier.render import RenderContext
from notifier.render.card import Level, card, duration


def test_it_says_what_how_bad_since_when_where_and_how_far(
    incident: Any, context: RenderContext
) -> None:
    """The card of one alert has all that is needed at three in the morning."""
    said = card(incident(), context)
    assert said.title == "Φ is above its band"
    assert (said.level, said.severity) == (Level.CRITICAL, "critical")
    assert said.since == incident().opened_at
    assert said.where == (("job", "wiltonos-exporter"), ("instance", "ship-1"))
    assert said.measured == "0.8012 (0.73–0.77)"
    assert said.values == (
        ("value", "0.8012"),
        ("limit", "0.73–0.77"),
        ("derivative_60s", "+0.012/min"),
        ("worst_loop", "alpha"),
        ("pressure", "0.06"),
    )
    assert [link.name for link in said.links] == [
        "dashboard",
        "runbook",
        "silence",
        "query",
        "inbox",
    ]


def test_severities_of_one_alert_are_one_line(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """A warning that a critical inhibits is never announced as resolved, so it has no line."""
    warning = alert(fingerprint="w", labels={"severity": "warning"})
    said = card(incident(warning, alert()), context)
    assert said.total == said.firing == 1
    assert said.severity == "critical"


def test_the_severity_is_that_of_what_fires(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Once the critical is over, the message is as bad as what is left."""
    over = alert(status=AlertStatus.RESOLVED, ends_at=context.now)
    warning = alert(fingerprint="w", labels={"severity": "warning", "loop": "alpha"})
    said = card(incident(over, warning), context)
    assert (said.level, said.firing, said.total) == (Level.WARNING, 1, 2)
    assert [line.ended is None for line in said.alerts] == [True, False]


def test_a_line_names_only_what_tells_it_from_the_others(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Labels that all share, or that the incident shows, are not repeated."""
    lines = [alert(fingerprint=loop, labels={"loop": loop, "team": "t"}) for loop in ("a", "b")]
    said = card(incident(*lines, labels={"job": "wiltonos-exporter"}), context)
    assert {line.where for line in said.alerts} == {(("loop", "a"),), (("loop", "b"),)}


def test_an_incident_without_words_still_has_a_title(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """No annotations, no name, no alerts: the message is poor, never empty."""
    bare = replace(alert(), labels={}, annotations={})
    assert card(incident(bare), context).title == "Alert"
    assert card(replace(incident(), alerts=()), context).title == "Alert"
    named = replace(alert(), annotations={})
    assert card(incident(named), context).title == "WiltonosPhiOutOfBand"


def test_doubt_and_mentions_belong_to_their_phase(incident: Any, context: RenderContext) -> None:
    """Only an end can be doubtful, and only a beginning pings."""
    doubtful = replace(context, doubtful=True)
    over = incident(phase=Phase.RESOLVED, resolved_at=context.now)
    assert not card(incident(), doubtful).doubtful
    assert card(over, doubtful).doubtful
    assert card(incident(), context).mentions
    assert card(over, context).mentions == ()


def test_mentions_go_by_severity_then_level(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """``page`` is critical unless the configuration names it; ``*`` is always there."""
    page = incident(alert(labels={"severity": "page"}))
    pings = {"critical": ("C",), "*": ("A",)}
    assert card(page, replace(context, mentions=pings)).mentions == ("C", "A")
    named = {**pings, "page": ("P",)}
    assert card(page, replace(context, mentions=named)).mentions == ("P", "A")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86400 * 2 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: int, words: str) -> None:
    """Precise enough to judge, short enough to read."""
    assert duration(timedelta(seconds=seconds)) == words
