"""Which incident a notification belongs to."""

from typing import Any

from notifier.incident import Identity, identify
from notifier.ingest.payload import parse
from notifier.testing.webhooks import alert, encoded, webhook

BY = ("job", "instance")


def identity(by: tuple[str, ...] = BY, **more: Any) -> Identity:
    """The identity of a webhook with these keys."""
    return identify(parse(encoded(webhook(alert(), **more))), by)


def test_without_folding_each_group_is_its_own() -> None:
    """Two groups with equal labels stay apart by default."""
    first = identity((), group_key="a", group_labels={"job": "j"})
    second = identity((), group_key="b", group_labels={"job": "j"})
    assert first.digest != second.digest


def test_groups_that_agree_are_one() -> None:
    """The group key and the other labels do not matter; a missing label counts as empty."""
    first = identity(group_key="a", group_labels={"job": "j", "alertname": "A"})
    second = identity(group_key="b", group_labels={"job": "j", "instance": ""})
    assert first == second
    assert first.labels == {"job": "j", "instance": ""}


def test_a_group_without_any_of_the_labels_is_its_own() -> None:
    """All that lack them would otherwise be one incident that never ends."""
    first = identity(group_key="a", group_labels={"team": "x"})
    second = identity(group_key="b", group_labels={"team": "x"})
    assert first.digest != second.digest


def test_receivers_are_kept_apart() -> None:
    """The same group sent to two receivers is two incidents."""
    assert identity(receiver="a").digest != identity(receiver="b").digest
