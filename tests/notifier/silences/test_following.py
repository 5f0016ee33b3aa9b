"""What follows from Alertmanager's lists."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from notifier.alerts import AlertStatus
from notifier.incident import Incident, IncidentAlert, Phase, Quiet, QuietKind
from notifier.silences.following import Lists, Note, absent, differs, long_absent, quiet_of
from notifier.silences.model import NO_COMMENT, ListedAlert, Silence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SILENCE = Silence("s1", (), NOW, NOW + HOUR, "Ana", "why")


def incident(*fingerprints: str, quiet: Quiet | None = None) -> Incident:
    """An incident in which these fire."""
    alerts = tuple(
        IncidentAlert(fp, AlertStatus.FIRING, {}, {}, NOW, None, "g") for fp in fingerprints
    )
    made = Incident("i", "r", "k", ("g",), {}, Phase.FIRING, 1, NOW, None, alerts)
    return replace(made, quiet=quiet)


def lists(
    silenced: dict[str, tuple[str, ...]], *silences: Silence, notes: tuple[Note, ...] = ()
) -> Lists:
    """What Alertmanager lists: fingerprint → the silences that hold it back."""
    return Lists(
        {fp: ListedAlert(fp, ids) for fp, ids in silenced.items()},
        {each.id: each for each in silences},
        {each.id: each for each in notes},
    )


def test_an_incident_is_quiet_when_all_of_it_is_held_back() -> None:
    """One alert that rings is enough for the incident to ring."""
    both = lists({"a": ("s1",), "b": ("s1",)}, SILENCE)
    quiet = quiet_of(incident("a", "b"), both, NOW)
    assert quiet is not None
    assert (quiet.by, quiet.until, quiet.comment, quiet.ours) == ("Ana", NOW + HOUR, "why", False)
    assert quiet_of(incident("a", "b"), lists({"a": ("s1",), "b": ()}, SILENCE), NOW) is None


def test_it_is_quiet_until_the_first_of_its_alerts_is_not() -> None:
    """Of several silences of one alert the longest counts, of several alerts the shortest."""
    longer = replace(SILENCE, id="s2", ends_at=NOW + 2 * HOUR)
    longest = replace(SILENCE, id="s3", ends_at=NOW + 3 * HOUR)
    found = lists({"a": ("s1", "s2"), "b": ("s3",)}, SILENCE, longer, longest)
    quiet = quiet_of(incident("a", "b"), found, NOW)
    assert quiet is not None
    assert quiet.until == NOW + 2 * HOUR


def test_what_was_asked_for_here_is_known_as_such() -> None:
    """An acknowledgement is told from a silence; what was made for another incident is not ours."""
    note = Note("s1", "i", QuietKind.ACKNOWLEDGED)
    found = lists({"a": ("s1",)}, replace(SILENCE, comment=NO_COMMENT), notes=(note,))
    quiet = quiet_of(incident("a"), found, NOW)
    assert quiet is not None
    assert (quiet.kind, quiet.ours, quiet.comment) == (QuietKind.ACKNOWLEDGED, True, "")
    other = lists({"a": ("s1",)}, SILENCE, notes=(replace(note, incident_id="j"),))
    quiet = quiet_of(incident("a"), other, NOW)
    assert quiet is not None
    assert not quiet.ours


def test_what_is_not_listed_leaves_what_was_known() -> None:
    """It may have resolved, or Alertmanager may have forgotten; neither ends the silence."""
    quiet = quiet_of(incident("a"), lists({"a": ("s1",)}, SILENCE), NOW)
    assert quiet_of(incident("a", quiet=quiet), lists({}), NOW) == quiet
    assert absent(incident("a", "b", quiet=quiet), lists({"a": ()})) == {"b"}


def test_the_renewal_of_an_acknowledgement_is_no_news() -> None:
    """Its end is not shown; that of a silence is, in whole seconds."""
    silenced = quiet_of(incident("a"), lists({"a": ("s1",)}, SILENCE), NOW)
    assert silenced is not None
    later = replace(silenced, until=silenced.until + HOUR)
    assert differs(silenced, later)
    assert not differs(
        silenced, replace(silenced, until=silenced.until + timedelta(milliseconds=1))
    )
    acknowledged = replace(silenced, kind=QuietKind.ACKNOWLEDGED)
    assert not differs(acknowledged, replace(acknowledged, until=later.until))
    assert differs(silenced, None)


def test_a_short_absence_is_no_end() -> None:
    """Only what has been absent for the whole time has resolved."""
    since = {"a": NOW - timedelta(seconds=90), "b": NOW - timedelta(seconds=89)}
    assert long_absent(since, NOW, 90) == {"a"}
