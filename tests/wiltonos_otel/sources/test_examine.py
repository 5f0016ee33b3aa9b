"""All mistakes of a text at once, in agreement with the parser that stops at the first."""

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.sources import Bad, Reason, parse_loop, parse_state
from wiltonos_otel.sources.examine import examine
from wiltonos_otel.sources.keys import LOOP, STATE, Form

NOW_MS = 1_795_453_200_000
PARSERS = {STATE: parse_state, LOOP: parse_loop}

values: st.SearchStrategy[Any] = (
    st.floats(-1, 2)
    | st.integers(-1, 10**400)
    | st.sampled_from([None, True, "2026-11-23T17:00:00Z", "wiltonos.state/1", "x", [], {}])
)
names = st.sampled_from([*LOOP.keys, "Phi", "note"])
pairs = st.lists(st.tuples(names, values), max_size=8)


def _text(stated: list[tuple[str, Any]]) -> bytes:
    inner = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in stated)
    return f"{{{inner}}}".encode()


def _agree(content: bytes, form: Form) -> None:
    outcome = PARSERS[form](content, NOW_MS, NOW_MS)
    mistakes = examine(content, form, NOW_MS, NOW_MS).mistakes
    if isinstance(outcome, Bad):
        assert outcome in mistakes
    else:
        assert mistakes == ()
    assert len(set(mistakes)) == len(mistakes)


@given(pairs, st.sampled_from([STATE, LOOP]))
def test_mistakes_are_there_exactly_when_the_parser_refuses(
    stated: list[tuple[str, Any]], form: Form
) -> None:
    """What stops the exporter is among them, and they are none where nothing does."""
    _agree(_text(stated), form)


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]":,.0159eE+-NaInfphi \\u\n').map(str.encode),
    st.sampled_from([STATE, LOOP]),
)
def test_any_bytes_agree_with_the_parser(content: bytes, form: Form) -> None:
    """Nothing raises, whatever the file holds."""
    _agree(content, form)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '{"phi": 2, "coherence": -1, "collapses": -1}',
            [Reason.AMBIGUOUS, Reason.OUT_OF_RANGE, Reason.OUT_OF_RANGE, Reason.BAD_COLLAPSES],
        ),
        (
            '{"coherence": 0, "chaos": 0, "timestamp": 1e12}',
            [Reason.OUT_OF_RANGE, Reason.BAD_TIMESTAMP],
        ),
        ('{"phi": NaN, "phi_star": Infinity}', [Reason.NON_FINITE, Reason.NON_FINITE]),
        (
            '{"phi": 1, "phi": 2, "chaos": 1, "chaos": 2}',
            [Reason.DUPLICATE_KEY, Reason.DUPLICATE_KEY, Reason.AMBIGUOUS, Reason.OUT_OF_RANGE],
        ),
        ('{"phi": 1, "phi": 2} }', [Reason.DUPLICATE_KEY, Reason.NOT_JSON]),
        ('{"note": {"a": 1, "a": 2}, "phi": 0.5}', [Reason.DUPLICATE_KEY]),
        ("{}", [Reason.NO_PHI]),
        ("[]", [Reason.WRONG_TYPE]),
    ],
)
def test_each_mistake_is_found_once(text: str, found: list[Reason]) -> None:
    """One mistake hides no other, and none is told twice."""
    examined = examine(text.encode(), LOOP, NOW_MS, NOW_MS)
    assert [bad.reason for bad in examined.mistakes] == found


def test_every_mistake_of_a_key_names_it() -> None:
    """A script finds the place without reading the sentence."""
    text = b'{"schema": 1, "phi": 2, "phi_star": -1, "collapses": "x", "timestamp": []}'
    mistakes = examine(text, LOOP, NOW_MS, NOW_MS).mistakes
    keys = ["schema", "phi", "phi_star", "collapses", "timestamp"]
    assert [bad.key for bad in mistakes] == keys
    assert all(bad.key in bad.detail for bad in mistakes)


def test_place_of_bytes_that_are_no_utf8_is_told() -> None:
    """A text of many lines is mended in one of them."""
    mistakes = examine(b'{"phi": 0.7,\n"note": "\xff"}', STATE, NOW_MS, NOW_MS).mistakes
    assert [(bad.reason, "line 2" in bad.detail) for bad in mistakes] == [(Reason.NOT_UTF8, True)]


def test_hint_names_no_key_that_is_there() -> None:
    """Who wrote phi and Phi is not told to write phi."""
    ignored = examine(b'{"phi": 0.7, "Phi": 0.7}', STATE, NOW_MS, NOW_MS).ignored
    assert [(one.key, "did you mean" in one.detail) for one in ignored] == [("Phi", False)]


@pytest.mark.parametrize(("name", "form"), [("state", STATE), ("loop", LOOP)])
def test_known_keys_are_those_of_the_schema(name: str, form: Form) -> None:
    """What the documented format has is never called unknown."""
    text = (files("wiltonos_otel.sources") / f"{name}.schema.json").read_text("utf-8")
    assert set(form.keys) == set(json.loads(text)["properties"])
