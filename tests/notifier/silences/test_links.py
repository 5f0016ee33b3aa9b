"""Signed links."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.silences.links import Action, Signer, without_links
from notifier.silences.model import SilenceError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer(b"k" * 32)
INCIDENT = "000660f80e3d5328e2e69fd5"


def token(action: Action = Action.SILENCE, revision: int = 3) -> str:
    """A token that holds for an hour."""
    return SIGNER.token(action, INCIDENT, revision, NOW + timedelta(hours=1))


@pytest.mark.parametrize("action", Action)
def test_a_token_says_what_it_was_made_for(action: Action) -> None:
    """The action, the incident and the end; and the same values make the same token."""
    link = SIGNER.read(token(action), NOW)
    assert (link.action, link.incident_id, link.revision) == (action, INCIDENT, 3)
    assert link.expires_at == NOW + timedelta(hours=1)
    assert token(action) == token(action)


def test_each_revision_has_links_of_its_own() -> None:
    """Using one up does not use up the one in the edited message."""
    assert SIGNER.read(token(revision=3), NOW).nonce != SIGNER.read(token(revision=4), NOW).nonce


def test_a_token_ends() -> None:
    """At its instant it holds no more."""
    with pytest.raises(SilenceError, match="expired"):
        SIGNER.read(token(), NOW + timedelta(hours=1))


def test_another_key_signs_otherwise() -> None:
    """A database that was thrown away takes its links along."""
    with pytest.raises(SilenceError, match="not one of ours"):
        Signer(b"another").read(token(), NOW)


@given(st.data())
def test_no_change_of_a_token_survives(data: st.DataObject) -> None:
    """Whatever is replaced, cut or added, it is refused."""
    made = token()
    at = data.draw(st.integers(0, len(made) - 1))
    other = data.draw(st.text(max_size=3).filter(lambda text: text != made[at]))
    with pytest.raises(SilenceError, match="not one of ours"):
        SIGNER.read(made[:at] + other + made[at + 1 :], NOW)


@given(st.text(max_size=80))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    """Nothing that is asked for raises anything else."""
    with pytest.raises(SilenceError, match="not one of ours"):
        SIGNER.read(text, NOW)


def test_a_link_that_others_may_read_is_useless() -> None:
    """A refused payload is kept without the permission in it."""
    shown = without_links(f'"<http://x/silence/{token()}|Silence>" …')
    assert token()[5:] not in shown
    assert shown.startswith('"<http://x/silence/…|Silence>')
