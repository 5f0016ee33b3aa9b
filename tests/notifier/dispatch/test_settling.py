"""What follows from the end of an attempt."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from notifier.deliver.backoff import Backoff
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import Operation
from notifier.dispatch.circuit import TOLERATED, Circuit
from notifier.dispatch.settling import REPOSTS, settle, told, worth_telling
from notifier.incident import Incident
from notifier.incident.planner import Planner
from notifier.ingest.payload import parse
from notifier.store.base import Claim, Dead, Delivered, Doubt, Later, Settlement
from notifier.testing.webhooks import Body, alert, encoded, webhook

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECEIPT = Receipt("C1", "1.2")
BACKOFF = Backoff(give_up_attempts=3, give_up_seconds=60)


def incident(*alerts: Body) -> Incident:
    """The incident of one notification."""
    made = Planner().plan(None, parse(encoded(webhook(*alerts))), NOW).step.incident
    assert made is not None
    return made


CLAIM = Claim(
    incident=incident(alert()),
    channel="slack",
    owner="me",
    operation=Operation.EDIT,
    delivered_revision=1,
    ring_revision=1,
    rung_revision=1,
    receipt=RECEIPT,
    shown="",
    doubt=None,
    attempts=0,
    reposts=0,
    desired_at=NOW,
    due_at=NOW,
    urgent=False,
)
POST = replace(CLAIM, operation=Operation.POST, receipt=None, delivered_revision=0)


def end(claim: Claim, kind: OutcomeKind, seconds: float = 0, **more: object) -> Settlement:
    """How a claim is settled when an attempt ends so."""
    outcome = Outcome(kind, detail="said", **more)  # type: ignore[arg-type]
    return settle(claim, outcome, NOW + timedelta(seconds=seconds), BACKOFF, random.Random(0))


def test_a_post_needs_no_ring_of_its_own() -> None:
    """A new message rings by itself, whatever had to ring before."""
    done = end(replace(POST, ring_revision=1), OutcomeKind.DELIVERED, receipt=RECEIPT)
    assert done == Delivered(1, 1, RECEIPT, "firing:2")


def test_a_reply_leaves_the_living_message_where_it_is() -> None:
    """The receipt of a reply is not that of the message beside it."""
    claim = replace(CLAIM, operation=Operation.REPLY, ring_revision=4)
    done = end(claim, OutcomeKind.DELIVERED, receipt=Receipt("C1", "9.9"))
    assert done == Delivered(1, 4, RECEIPT)


@pytest.mark.parametrize("kind", [OutcomeKind.RATE_LIMITED, OutcomeKind.EDGE_BAN])
def test_a_wait_that_the_chat_demands_spends_no_attempt(kind: OutcomeKind) -> None:
    """It lasts as long as the chat says."""
    later = end(CLAIM, kind, retry_after_seconds=40.0)
    assert isinstance(later, Later)
    assert (later.at, later.spent) == (NOW + timedelta(seconds=40), False)


def test_trouble_that_lasts_is_given_up_in_the_end() -> None:
    """Neither many quick failures nor a long time alone end it, but both together do."""
    tired = replace(CLAIM, attempts=2)
    assert isinstance(end(CLAIM, OutcomeKind.TRANSIENT, 61), Later)
    assert isinstance(end(tired, OutcomeKind.TRANSIENT, 59), Later)
    assert end(tired, OutcomeKind.TRANSIENT, 61) == Dead("attempts_exhausted", "transient: said")


def test_an_unknown_outcome_is_in_doubt_and_bounded() -> None:
    """It is sent again, counted, and not for ever."""
    first = end(POST, OutcomeKind.UNKNOWN)
    assert isinstance(first, Later)
    assert (first.doubt, first.reposted) == (Doubt(Operation.POST, 1), False)
    again = end(replace(POST, doubt=first.doubt), OutcomeKind.UNKNOWN)
    assert isinstance(again, Later)
    assert again.reposted
    assert isinstance(end(replace(POST, reposts=REPOSTS), OutcomeKind.UNKNOWN), Dead)


def test_an_unknown_outcome_outlives_an_outage_with_few_duplicates() -> None:
    """A chat that cuts every connection for a day gets the message a dozen times, not hourly."""
    waited, reposts = 0.0, 0
    doubt = Doubt(Operation.POST, 1)
    while waited < 24 * 3600:
        again = end(replace(POST, doubt=doubt, reposts=reposts), OutcomeKind.UNKNOWN)
        assert isinstance(again, Later)
        waited += (again.at - NOW).total_seconds()
        reposts += 1
    assert reposts <= REPOSTS


def test_a_message_that_is_gone_is_posted_anew_at_once() -> None:
    """The receipt is forgotten and no attempt is spent."""
    assert end(CLAIM, OutcomeKind.MESSAGE_GONE) == Later(
        NOW, "message_gone: said", spent=False, receipt_lost=True
    )


def test_what_a_channel_without_edits_is_told() -> None:
    """Its phase and when it gets worse, not each alert that joins."""
    warning = incident(alert("A"))
    critical = incident(alert("A"), alert("B", severity="critical"))
    over = incident(alert("A", ends_at=NOW))
    assert not worth_telling(told(warning), incident(alert("A"), alert("B")))
    assert worth_telling(told(warning), critical)
    assert not worth_telling(told(critical), warning)
    assert worth_telling(told(warning), over)
    assert worth_telling(told(over), warning)


def test_a_circuit_opens_after_failures_in_a_row_and_closes_with_a_success() -> None:
    """While it is open the waits grow; the success that closes it says so."""
    circuit, rng = Circuit(), random.Random(0)
    opened = []
    for _ in range(TOLERATED):
        circuit.record(OutcomeKind.TRANSIENT, "HTTP 500", 10.0, rng)
        opened.append(circuit.open)
    assert opened == [False] * (TOLERATED - 1) + [True]
    assert circuit.open_until > 10.0
    assert circuit.detail == "HTTP 500"
    assert circuit.record(OutcomeKind.DELIVERED, "", 20.0, rng)
    assert circuit.failures == 0
    assert not circuit.record(OutcomeKind.DELIVERED, "", 21.0, rng)
