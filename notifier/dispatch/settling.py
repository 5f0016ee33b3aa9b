"""What follows from the end of an attempt: the decision only. Pure but for jitter."""

import random
from datetime import datetime, timedelta

from notifier.deliver.backoff import Backoff
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import Operation
from notifier.incident import Incident, Phase
from notifier.incident.severity import worst
from notifier.store.base import Claim, Dead, Delivered, Doubt, Later, Settlement

# how often a message is sent again whose first sending may have arrived: each may be a duplicate,
# so all but the first few wait twice as long as the one before, which lasts for more than a day
REPOSTS = 15
QUICK_REPOSTS = 3
PATIENT_SECONDS = 30.0
# a rate limit that names no time
UNSAID_SECONDS = 5.0


def settle(
    claim: Claim, outcome: Outcome, now: datetime, backoff: Backoff, rng: random.Random
) -> Settlement:
    """How to settle a claim after an attempt.

    DESTINATION_DEAD leaves the row waiting: the channel is stopped as a whole, by the caller.
    """
    match outcome.kind:
        case OutcomeKind.DELIVERED:
            return delivered(claim, outcome.receipt)
        case OutcomeKind.RATE_LIMITED | OutcomeKind.EDGE_BAN | OutcomeKind.DESTINATION_DEAD:
            wait = outcome.retry_after_seconds
            return _later(now, UNSAID_SECONDS if wait is None else wait, outcome, spent=False)
        case OutcomeKind.MESSAGE_GONE if claim.receipt is not None:
            return Later(now, _error(outcome), spent=False, receipt_lost=True)
        case OutcomeKind.PAYLOAD_REFUSED:
            return Dead("payload_refused_plain", _error(outcome))
        case OutcomeKind.UNKNOWN:
            return _in_doubt(claim, outcome, now, backoff, rng)
        case _:
            return _transient(claim, outcome, now, backoff, rng)


def delivered(claim: Claim, receipt: Receipt | None) -> Delivered:
    """What the channel shows after the operation of the claim went well.

    A post needs no further ring: a new message rings by itself. The receipt of a reply is not
    that of the living message.
    """
    living = claim.receipt if claim.operation is Operation.REPLY else receipt or claim.receipt
    place = living or Receipt("", "")
    revision = claim.incident.revision
    if claim.operation is Operation.POST:
        return Delivered(revision, max(revision, claim.ring_revision), place, told(claim.incident))
    if claim.operation is Operation.EDIT:
        return Delivered(revision, claim.rung_revision, place)
    return Delivered(claim.delivered_revision, claim.ring_revision, place)


def told(incident: Incident) -> str:
    """What a reader of a channel that cannot edit has to know: the phase and how bad it is."""
    return f"{incident.phase.value}:{worst(incident.firing)}"


def worth_telling(shown: str, incident: Incident) -> bool:
    """Whether a channel that cannot edit needs another message.

    It does when the phase has changed or things got worse; not for every alert that joins.
    """
    phase, _, rank = shown.partition(":")
    if phase != incident.phase.value:
        return True
    return incident.phase is Phase.FIRING and worst(incident.firing) > int(rank or "0")


def _in_doubt(
    claim: Claim, outcome: Outcome, now: datetime, backoff: Backoff, rng: random.Random
) -> Settlement:
    if claim.reposts >= REPOSTS:
        return Dead("outcome_unknown", _error(outcome))
    wait = max(backoff.delay(claim.attempts + 1, rng), _patience(claim.reposts))
    doubt = Doubt(claim.operation, claim.incident.revision)
    reposted = claim.doubt is not None
    return Later(now + timedelta(seconds=wait), _error(outcome), doubt=doubt, reposted=reposted)


def _patience(reposts: int) -> float:
    slow = reposts - QUICK_REPOSTS
    return PATIENT_SECONDS * 2**slow if slow >= 0 else 0.0


def _transient(
    claim: Claim, outcome: Outcome, now: datetime, backoff: Backoff, rng: random.Random
) -> Settlement:
    attempts = claim.attempts + 1
    if backoff.exhausted(attempts, (now - claim.desired_at).total_seconds()):
        return Dead("attempts_exhausted", _error(outcome))
    wait = max(backoff.delay(attempts, rng), outcome.retry_after_seconds or 0.0)
    return _later(now, wait, outcome, spent=True)


def _later(now: datetime, seconds: float, outcome: Outcome, *, spent: bool) -> Later:
    return Later(now + timedelta(seconds=seconds), _error(outcome), spent=spent)


def _error(outcome: Outcome) -> str:
    return f"{outcome.kind.value}: {outcome.detail}" if outcome.detail else outcome.kind.value
