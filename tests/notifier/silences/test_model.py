"""Matchers: made from an incident, written, and read again."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.alerts import AlertStatus
from notifier.incident import Incident, IncidentAlert, Phase
from notifier.silences.model import (
    MOST_VALUES,
    Matcher,
    SilenceError,
    matchers_of,
    parse_matchers,
    written,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def incident(*labels: dict[str, str], resolved: tuple[dict[str, str], ...] = ()) -> Incident:
    """An incident in which alerts with these labels fire, and others have resolved."""
    base = IncidentAlert("", AlertStatus.FIRING, {}, {}, NOW, None, "g")
    fire = [replace(base, fingerprint=f"f{n}", labels=each) for n, each in enumerate(labels)]
    over = replace(base, status=AlertStatus.RESOLVED, ends_at=NOW)
    gone = [replace(over, fingerprint=f"r{n}", labels=each) for n, each in enumerate(resolved)]
    return Incident("i", "r", "k", ("g",), {}, Phase.FIRING, 1, NOW, None, (*fire, *gone))


def holds(matchers: tuple[Matcher, ...], labels: dict[str, str]) -> bool:
    """Whether Alertmanager would hold an alert with these labels back."""
    return all(
        (
            re.fullmatch(f"(?s:{each.value})", labels.get(each.name, "")) is not None
            if each.is_regex
            else each.value == labels.get(each.name, "")
        )
        is each.is_equal
        for each in matchers
    )


def test_one_alert_is_matched_by_all_its_labels() -> None:
    """Nothing but this alert is held back, and not this one if it gets worse."""
    labels = {"alertname": "A", "instance": "a", "severity": "warning"}
    made = matchers_of(incident(labels, resolved=({"alertname": "B"},)))
    assert written(made) == 'alertname="A", instance="a", severity="warning"'
    assert not holds(made, {**labels, "severity": "critical"})


@given(st.lists(st.dictionaries(names, texts.filter(bool), max_size=4), min_size=1, max_size=5))
def test_what_fires_is_held_back_and_what_has_other_values_is_not(
    alerts: list[dict[str, str]],
) -> None:
    """Each firing alert matches; one with a value that none of them has does not."""
    if not set.intersection(*(set(each) for each in alerts)):
        with pytest.raises(SilenceError, match="no label in common"):
            matchers_of(incident(*alerts))
        return
    made = matchers_of(incident(*alerts))
    assert all(holds(made, each) for each in alerts)
    values = {value for each in alerts for value in each.values()}
    for name in alerts[0]:
        assert not holds(made, {**alerts[0], name: f"{''.join(values)}another"})


def test_a_label_with_too_many_values_is_left_out() -> None:
    """The silence stays readable; the labels in common still bound it."""
    many = [{"job": "j", "pod": str(number)} for number in range(MOST_VALUES + 1)]
    assert written(matchers_of(incident(*many))) == 'job="j"'


@given(st.lists(st.builds(Matcher, names, texts, st.booleans(), st.booleans()), max_size=5))
def test_what_is_written_is_read_again(matchers: list[Matcher]) -> None:
    """A person can copy the matchers of one silence into the form of another."""
    demanding = Matcher("a", "b")
    text = written([*matchers, demanding])
    assert parse_matchers(text) == (*matchers, demanding)
    assert parse_matchers(f"{{{text}}}") == (*matchers, demanding)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at least one"),
        ("a", "not a matcher: a"),
        ('a="b" c="d"', "not a matcher"),
        ('a="b', "not a matcher"),
        ('a=""', "at least one"),
        ('a!="b"', "at least one"),
        ("=b", "not a matcher"),
    ],
)
def test_what_is_no_list_of_matchers_is_refused(text: str, says: str) -> None:
    """One line says which part is wrong."""
    with pytest.raises(SilenceError, match=says):
        parse_matchers(text)


def test_values_need_no_quotes() -> None:
    """As amtool takes them."""
    made = parse_matchers("alertname=A, instance=~ship-.*")
    assert made == (Matcher("alertname", "A"), Matcher("instance", "ship-.*", is_regex=True))
