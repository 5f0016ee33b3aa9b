"""What the worker relies on, held by every deliverer."""

import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from notifier.deliver.factory import build
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Chart, Charting, Operation, Removing, Rendered
from notifier.errors import NotifierError
from notifier.testing import (
    FakeSlack,
    Fault,
    answer,
    answer_after,
    cut_after,
    cut_before,
    hang_after,
    hang_before,
    rate_limited,
)
from wiltonos_service.secrets import Secret


def receipt(outcome: Outcome) -> Receipt:
    """The receipt of a delivered message."""
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
    assert outcome.receipt is not None
    return outcome.receipt


async def test_a_post_is_shown_and_its_receipt_tells_whether_it_can_be_edited(chat: Any) -> None:
    """A delivered message appears once; only a chat that can edit gives an id."""
    place = receipt(await chat.deliverer.post(chat.message("Φ left its band")))
    assert [m.text.count("Φ left its band") > 0 for m in chat.messages] == [True]
    assert place.editable is chat.deliverer.can_edit


async def test_an_edit_changes_the_message_in_place(chat: Any) -> None:
    """One message, two versions; a chat that cannot edit says the message is out of reach."""
    place = receipt(await chat.deliverer.post(chat.message("firing")))
    outcome = await chat.deliverer.edit(place, chat.message("resolved"))
    if chat.deliverer.can_edit:
        assert receipt(outcome) == place
        assert [m.edits for m in chat.messages] == [1]
        assert "resolved" in chat.messages[0].text
        assert "firing" not in chat.messages[0].text
    else:
        assert outcome.kind is OutcomeKind.MESSAGE_GONE


async def test_a_reply_is_a_message_of_its_own(chat: Any) -> None:
    """A reply stands beside or below the living message and leaves it alone."""
    place = receipt(await chat.deliverer.post(chat.message("living")))
    assert (await chat.deliverer.reply(place, chat.message("worse"))).kind is OutcomeKind.DELIVERED
    assert [m.edits for m in chat.messages] == [0, 0]
    assert "worse" in chat.messages[1].text


async def test_an_edit_with_plain_words_leaves_nothing_of_the_rich_form(chat: Any) -> None:
    """The plain body replaces blocks and embeds, it does not stand beside them."""
    if not chat.deliverer.can_edit:
        return
    place = receipt(await chat.deliverer.post(chat.message("rich")))
    plain = chat.message("plain").plain
    receipt(await chat.deliverer.edit(place, Rendered(plain, plain, "inc:2")))
    assert chat.messages[0].text.strip() == "plain"


async def test_a_message_that_is_gone_says_so(chat: Any) -> None:
    """Somebody deleted the message: the worker has to post again."""
    if not chat.deliverer.can_edit:
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    chat.messages[0].deleted = True
    outcome = await chat.deliverer.edit(place, chat.message("again"))
    assert outcome.kind is OutcomeKind.MESSAGE_GONE


async def test_a_payload_over_a_limit_is_refused_with_a_reason(chat: Any) -> None:
    """The refusal names the limit, for the dead letter."""
    outcome = await chat.deliverer.post(chat.refused())
    assert outcome.kind is OutcomeKind.PAYLOAD_REFUSED
    assert outcome.detail
    assert chat.messages == []


async def test_a_dead_destination_says_so(chat: Any) -> None:
    """A revoked token or a deleted webhook stops the channel."""
    chat.kill()
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.DESTINATION_DEAD


async def test_a_rate_limit_is_a_wait_and_holds_the_budget(chat: Any) -> None:
    """What the chat asks us to wait is told, and the budget obeys it."""
    chat.fake.faults.add(rate_limited("7", '{"retry_after": 7.5}'))
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.RATE_LIMITED
    assert outcome.retry_after_seconds in {7.0, 7.5}
    assert chat.deliverer.next_allowed(Operation.POST) >= chat.clock.monotonic() + 7


@pytest.mark.parametrize("value", ["soon", "", "nan", "-3"])
async def test_an_odd_retry_after_is_no_accident(chat: Any, value: str) -> None:
    """Garbage in the header still means: slow down."""
    chat.fake.faults.add(rate_limited(value, "{}"))
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.RATE_LIMITED
    assert chat.deliverer.next_allowed(Operation.POST) > chat.clock.monotonic()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_is_transient(chat: Any, status: int) -> None:
    """The other side is ill: try again later."""
    chat.fake.faults.add(answer(status, "<html>bad gateway</html>"))
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert str(status) in outcome.detail or outcome.detail


@pytest.mark.parametrize("fault", [cut_before, cut_after, hang_before, hang_after])
async def test_a_post_without_an_answer_is_unknown(chat: Any, fault: Callable[[], Fault]) -> None:
    """Whether the message arrived cannot be known, and nothing is sent a second time."""
    chat.fake.faults.add(fault())
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert len(chat.messages) == (fault in {cut_after, hang_after})


async def test_an_edit_without_an_answer_can_simply_be_repeated(chat: Any) -> None:
    """Doing an edit twice is doing it once, so its unknown end is only transient."""
    if not chat.deliverer.can_edit:
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    chat.fake.faults.add(cut_after())
    outcome = await chat.deliverer.edit(place, chat.message("again"))
    assert outcome.kind is OutcomeKind.TRANSIENT


async def test_a_refused_connection_is_transient(chat: Any) -> None:
    """Nothing was sent, so nothing is unknown."""
    await chat.fake.close()
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.TRANSIENT


async def test_find_needs_a_chat_that_can_be_read(chat: Any) -> None:
    """Only the bot finds a lost post by its marker; the others say None."""
    chat.fake.faults.add(cut_after())
    await chat.deliverer.post(chat.message(marker="inc:9"))
    found = await chat.deliverer.find("inc:9")
    assert (found is not None) is (chat.kind == "slack")
    assert await chat.deliverer.find("inc:8") is None


async def test_a_message_can_be_taken_away_twice(chat: Any) -> None:
    """Removing what is gone already is no failure."""
    able = isinstance(chat.deliverer, Removing)
    assert able is chat.deliverer.can_edit
    if not able:
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    for _ in range(2):
        assert (await chat.deliverer.delete(place)).kind is OutcomeKind.DELIVERED
    assert chat.messages == []


def shows_charts(chat: Any) -> bool:
    """Whether the deliverer can show charts."""
    return isinstance(chat.deliverer, Charting)


async def show(chat: Any, place: Receipt, png: bytes, text: str = "Φ left its band") -> Outcome:
    """Upload a chart and show it in the message."""
    outcome, uploaded = await chat.deliverer.upload(Chart(png, "Φ over time"))
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
    shown: Outcome = await chat.deliverer.attach(place, chat.message(text), uploaded)
    return shown


async def test_a_chart_is_shown_kept_by_edits_and_replaced(chat: Any) -> None:
    """The chart stays through an edit with its receipt, and a newer one takes its place."""
    able = shows_charts(chat)
    assert able is chat.deliverer.can_edit
    if not able:
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    first = receipt(await show(chat, place, b"png-1"))
    assert first.attachment
    edited = receipt(await chat.deliverer.edit(first, chat.message("resolved")))
    assert edited.attachment == first.attachment
    assert len(chat.messages[0].files) == 1
    second = receipt(await show(chat, edited, b"png-2"))
    assert second.attachment != first.attachment
    assert len(chat.messages[0].files) == 1
    for _ in range(2):
        gone = await chat.deliverer.discard(first.attachment)
        assert gone is None or gone.kind is OutcomeKind.DELIVERED
    receipt(await chat.deliverer.edit(second, chat.message("once more")))
    assert len(chat.messages[0].files) == 1


async def test_a_chart_shows_nowhere_but_in_its_message(chat: Any) -> None:
    """The upload alone is seen by nobody; showing it is one edit, with the words as given."""
    if not shows_charts(chat):
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    _, uploaded = await chat.deliverer.upload(Chart(b"png", "Φ over time"))
    (message,) = chat.messages
    assert (message.edits, message.files) == (0, ())
    receipt(await chat.deliverer.attach(place, chat.message("with a chart"), uploaded))
    assert (message.edits, len(message.files), len(chat.messages)) == (1, 1, 1)
    assert "with a chart" in message.text
    assert message.pings == frozenset()


async def test_a_chart_waits_while_messages_use_the_budget(chat: Any) -> None:
    """Half of what a chat allows stays free for messages, and a held budget holds charts too."""
    if not shows_charts(chat):
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    assert chat.deliverer.next_idle() <= chat.clock.monotonic()
    for _ in range(24):
        if chat.deliverer.next_idle() > chat.clock.monotonic():
            break
        receipt(await chat.deliverer.edit(place, chat.message()))
    now = chat.clock.monotonic()
    assert chat.deliverer.next_idle() > now
    assert chat.deliverer.next_allowed(Operation.EDIT) <= now
    await chat.clock.advance(120)
    chat.fake.faults.add(rate_limited("7", '{"retry_after": 7}'))
    await chat.deliverer.edit(place, chat.message())
    assert chat.deliverer.next_idle() >= chat.clock.monotonic() + 7


async def test_a_chart_for_a_message_that_is_gone_says_so(chat: Any) -> None:
    """Nothing is posted anew for a chart."""
    if not shows_charts(chat):
        return
    place = receipt(await chat.deliverer.post(chat.message()))
    chat.messages[0].deleted = True
    assert (await show(chat, place, b"png")).kind is OutcomeKind.MESSAGE_GONE
    assert chat.messages == []


async def test_a_changed_secret_file_is_used_at_once(chat: Any) -> None:
    """A rotated secret needs no restart; a missing one stops the channel with the reason."""
    good = chat.secret_file.read_text()
    chat.secret_file.write_text("rubbish-rubbish-rubbish")
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.DESTINATION_DEAD
    chat.secret_file.unlink()
    outcome = await chat.deliverer.post(chat.message())
    assert outcome.kind is OutcomeKind.DESTINATION_DEAD
    assert str(chat.secret_file) in outcome.detail
    chat.secret_file.write_text(good)
    receipt(await chat.deliverer.post(chat.message()))


async def test_no_secret_in_any_outcome_or_log(chat: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, neither the detail nor a log line at DEBUG holds the secret."""
    caplog.set_level(logging.DEBUG)
    secret = chat.secret_file.read_text().strip().rpartition("/")[2]
    echo = f"<html>cannot POST {chat.secret_file.read_text()}</html>"
    faults = (answer(500, echo), answer(403, echo), answer(400, echo), answer(404, echo))
    details = []
    for fault in (*faults, cut_before(), hang_before(), rate_limited("1", echo)):
        chat.fake.faults.add(fault)
        details.append((await chat.deliverer.post(chat.message())).detail)
    await chat.fake.close()
    details.append((await chat.deliverer.post(chat.message())).detail)
    assert secret not in "\n".join(details)
    assert all(details)
    # the fake's own server may say what it received; ours is everything else
    lines = [r.getMessage() for r in caplog.records if not r.name.startswith("aiohttp.server")]
    assert secret not in "\n".join(lines)


async def test_a_processed_request_with_a_server_error_stays_transient(chat: Any) -> None:
    """An answer is believed, even when the work was done all the same."""
    chat.fake.faults.add(answer_after(500))
    assert (await chat.deliverer.post(chat.message())).kind is OutcomeKind.TRANSIENT


async def test_an_unknown_kind_is_named(session: aiohttp.ClientSession, slack: FakeSlack) -> None:
    """A wrong configuration ends in one line."""
    with pytest.raises(NotifierError, match="'irc'"):
        build(
            kind="irc",
            name="ops",
            secret=Secret("s", value="x"),
            session=session,
            clock=slack.clock,
            budgets=Budgets(),
        )
