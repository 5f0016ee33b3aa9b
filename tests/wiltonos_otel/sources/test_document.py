"""The text of a state file: what is taken, why the rest is not, and that the schema agrees."""

import json
from importlib.resources import files
from math import isfinite
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wiltonos_otel.phi import Refusal
from wiltonos_otel.sources import Bad, LoopSample, Reason, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.timestamps import RFC3339

NOW_MS = 1_795_453_200_000
# what a schema cannot say
BEYOND_SCHEMA = {Reason.FUTURE, Reason.BAD_TIMESTAMP}


def _schema(name: str) -> dict[str, Any]:
    text = (files("wiltonos_otel.sources") / f"{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return schema


SCHEMAS = {"state": _schema("state"), "loop": _schema("loop")}
STATE, LOOP = (Draft202012Validator(SCHEMAS[name]) for name in ("state", "loop"))

numbers = (
    st.floats(0, 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.sampled_from([0, 1, 3, -0.0, 1e308, 10**400, 253_402_300_799, 253_402_300_800])
)
times = (
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
    | st.from_regex(RFC3339)
    | st.sampled_from(
        ["2026-02-30T00:00:00Z", "2026-11-23t17:00:60.5z", "2026-11-23 17:00:00-03:00"]
    )
)
scalars = numbers | times | st.text(max_size=5) | st.booleans() | st.none()
values = scalars | st.lists(scalars, max_size=2)
schemas = st.sampled_from(["wiltonos.state/1", "wiltonos.loop/1", "wiltonos.state/2"])


def _mapping(**own: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    likely = {
        "phi": st.floats(0, 1),
        "coherence": st.floats(0, 9),
        "chaos": st.floats(0, 9),
        "timestamp": times,
        "schema": schemas,
        **own,
    }
    keys = {name: st.one_of(value, value, values) for name, value in likely.items()}
    return st.fixed_dictionaries({}, optional={**keys, "note": values})


states = _mapping()
loops = _mapping(phi_star=st.floats(0, 1), collapses=st.integers(0, 9))


def _check_agreement(schema: Draft202012Validator, keys: Any, outcome: Any) -> None:
    valid = schema.is_valid(keys)
    if isinstance(outcome, Bad):
        assert not valid or outcome.reason in BEYOND_SCHEMA
    else:
        assert valid


@given(states | values)
@example({"phi": 10**400})
@example({"phi": 0.5, "timestamp": 1.0e300})
def test_schema_of_the_state_agrees_with_the_parser(keys: Any) -> None:
    """Whatever the parser takes is valid, and what is invalid it refuses."""
    _check_agreement(STATE, keys, parse_state(json.dumps(keys).encode(), NOW_MS, NOW_MS))


@given(loops | values)
def test_schema_of_a_loop_agrees_with_the_parser(keys: Any) -> None:
    """Whatever the parser takes is valid, and what is invalid it refuses."""
    _check_agreement(LOOP, keys, parse_loop(json.dumps(keys).encode(), NOW_MS, NOW_MS))


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,.0159eE+-NaInfphi \\u\n', max_size=60))
def test_no_content_raises(content: bytes | str) -> None:
    """Any bytes at all give a value or a reason with a text."""
    raw = content if isinstance(content, bytes) else content.encode()
    for outcome in (parse_state(raw, NOW_MS, NOW_MS), parse_loop(raw, NOW_MS, NOW_MS)):
        if isinstance(outcome, Bad):
            assert outcome.detail
        else:
            assert isfinite(outcome.phi)
            assert 0 <= outcome.phi <= 1


@pytest.mark.parametrize(("name", "parse"), [("state", parse_state), ("loop", parse_loop)])
def test_examples_of_the_schema_are_taken(name: str, parse: Any) -> None:
    """The examples that people copy are valid and mean what they say."""
    for keys in SCHEMAS[name]["examples"]:
        assert Draft202012Validator(SCHEMAS[name]).is_valid(keys)
        assert not isinstance(parse(json.dumps(keys).encode(), NOW_MS, NOW_MS), Bad)


def test_pattern_of_the_schemas_is_that_of_the_parser() -> None:
    """One regular expression decides what an RFC 3339 text is."""
    for schema in SCHEMAS.values():
        assert schema["$defs"]["timestamp"]["anyOf"][0]["pattern"] == RFC3339


@given(st.data())
def test_every_torn_file_is_called_torn(data: st.DataObject) -> None:
    """Wherever the writer was cut off, the reason says so."""
    keys = {"phi": 0.7512, "note": {"text": "Φ é", "ok": True}, "timestamp": "2026-11-23T17:00:00Z"}
    content = json.dumps(keys, ensure_ascii=False).encode()
    cut = data.draw(st.integers(1, len(content) - 1))
    outcome = parse_state(content[:cut], NOW_MS, NOW_MS)
    assert isinstance(outcome, Bad)
    assert outcome.reason is Reason.TORN


def test_every_refusal_is_a_reason() -> None:
    """The vocabulary of the fold is a part of the source's."""
    assert {refusal.value for refusal in Refusal} <= {reason.value for reason in Reason}


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        (
            '{"schema":"wiltonos.state/1","timestamp":"2026-11-23T17:00:00.123Z","phi":0.7512}',
            StateSample(1_795_453_200_123, 0.7512),
        ),
        (
            '{"timestamp":1795453200.123,"coherence":3,"chaos":1}',
            StateSample(1_795_453_200_123, 0.75),
        ),
        ('\ufeff{"timestamp":1795453200,"phi":1}', StateSample(NOW_MS, 1.0)),
        ('{"phi":0}', StateSample(NOW_MS + 7, 0.0, timed=False)),
        ('{"coherence":1e308,"chaos":1e308}', StateSample(NOW_MS + 7, 0.5, timed=False)),
        ('{"coherence":5e-324,"chaos":0}', StateSample(NOW_MS + 7, 1.0, timed=False)),
    ],
)
def test_state_is_read_exactly(text: str, sample: StateSample) -> None:
    """Each documented form, and the extremes of its numbers."""
    assert parse_state(text.encode(), NOW_MS + 7, NOW_MS) == sample


def test_loop_is_read_whole() -> None:
    """Set-point and running total come along; without them nothing is made up."""
    text = b'{"timestamp":"2026-11-23T14:00:00-03:00","phi":0.74,"phi_star":0.7,"collapses":3.0}'
    assert parse_loop(text, 0, NOW_MS) == LoopSample(NOW_MS, 0.74, 0.7, 3)
    assert parse_loop(b'{"phi":0.74}', NOW_MS, NOW_MS) == LoopSample(NOW_MS, 0.74, timed=False)


@pytest.mark.parametrize("total", ["-1", "1.5", "1e300", '"3"', "true"])
def test_running_total_must_be_one(total: str) -> None:
    """A total that cannot be counted on is refused."""
    outcome = parse_loop(f'{{"phi":0.7,"collapses":{total}}}'.encode(), NOW_MS, NOW_MS)
    assert isinstance(outcome, Bad)
    assert outcome.reason in {Reason.BAD_COLLAPSES, Reason.WRONG_TYPE}


@pytest.mark.parametrize(("ahead_ms", "future"), [(60_000, False), (60_001, True)])
def test_a_minute_ahead_is_the_limit(ahead_ms: int, future: bool) -> None:
    """Clocks may differ by 60 s, not by more; this holds for the modification time too."""
    outcome = parse_state(b'{"phi":0.75}', NOW_MS + ahead_ms, NOW_MS)
    assert isinstance(outcome, Bad) == future


@pytest.mark.parametrize(
    ("stated", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2026-11-23T17:00:00.1239999Z", NOW_MS + 123),
        ("2026-11-23T17:00:00.5Z", NOW_MS + 500),
        ("2026-11-23T22:30:00+05:30", NOW_MS),
    ],
)
def test_rfc_3339_is_read_in_all_its_forms(stated: str, ms: int) -> None:
    """Zones, leap seconds and any number of decimals."""
    outcome = parse_state(json.dumps({"phi": 0.5, "timestamp": stated}).encode(), 0, NOW_MS)
    assert outcome == StateSample(ms, 0.5)


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_survive_unix_seconds(ms: int) -> None:
    """Seconds with three decimals come back as the milliseconds they were."""
    outcome = parse_state(f'{{"phi":0.5,"timestamp":{ms / 1000!r}}}'.encode(), 0, 2 * 10**12 + ms)
    assert outcome == StateSample(ms, 0.5)
