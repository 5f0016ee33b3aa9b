"""Cleaning, escaping and cutting."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from notifier.render.text import as_it_is, clean, discord, fit, one_line, slack, units

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXT, st.integers(0, 120), st.sampled_from([as_it_is, slack, discord]))
def test_a_cut_text_fits_and_begins_like_the_whole(text: str, most: int, escape) -> None:  # type: ignore[no-untyped-def]
    """Never longer than allowed, and unchanged when it fits."""
    cut = fit(text, most, escape)
    assert units(cut) <= most
    if units(escape(text)) <= most:
        assert cut == escape(text)


@given(
    st.lists(st.sampled_from(["👩‍👩‍👧‍👦", "e\u0301", "🇧🇷", "x", "各"]), min_size=30, max_size=80)
)
def test_no_character_is_cut_in_two(clusters: list[str]) -> None:
    """Families, flags and accents stay whole."""
    cut = fit("".join(clusters), 60)
    assert set(regex.findall(r"\X", cut)) <= {*clusters, " ", "…"}


def test_head_and_tail_stay() -> None:
    """The cause stands at the end of a long text as often as at its head."""
    cut = fit("head " + "middle " * 500 + "the cause", 100)
    assert cut.startswith("head middle")
    assert cut.endswith("the cause")
    assert "…" in cut


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("a\x00b\x1b[0m", "ab[0m"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\u202eabc\u2066", "abc"),
        ("a\u200bb\ufeff", "ab"),
        ("a \t  b", "a b"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("Z" + "\u0301" * 9, "Z" + "\u0301" * 4),
        ("👩‍👧", "👩‍👧"),
        ("\ud800", ""),
    ],
)
def test_clean_keeps_what_can_be_seen(raw: str, cleaned: str) -> None:
    """Control, bidirectional, invisible and half characters go; joiners of emoji stay."""
    assert clean(raw) == cleaned


def test_one_line_is_one_line() -> None:
    """Titles have no line ends."""
    assert one_line(" a\n\nb ") == "a b"


@given(TEXT)
def test_units_are_utf_16(text: str) -> None:
    """Counted as both chats count at most."""
    assert units(text) == len(text.encode("utf-16-le")) // 2


def test_escapes() -> None:
    """Slack's three characters; Discord's markdown and the at sign."""
    assert slack("<!here> & co") == "&lt;!here&gt; &amp; co"
    assert discord("**@everyone** <@1>") == "\\*\\*@\u200beveryone\\*\\* \\<@\u200b1\\>"
