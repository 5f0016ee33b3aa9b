"""What the doctor concludes from times, names and clocks."""

import random
import subprocess
import sys
import textwrap
from itertools import accumulate
from uuid import uuid4

import pytest

from wiltonos_otel.instruments.catalogue import CATALOGUE, DOSE_AMOUNT, LOOP_PRESSURE
from wiltonos_otel.stack.doctor.clocks import between
from wiltonos_otel.stack.doctor.names import judge_probe, judge_service
from wiltonos_otel.stack.doctor.rhythm import Rhythm, replaced
from wiltonos_otel.stack.doctor.site import Site, pipe_at
from wiltonos_otel.stack.finding import Verdict
from wiltonos_otel.stack.probe import Answer
from wiltonos_service.errors import UsageError

SENDER = {"job": "wiltonos-doctor", "instance": "here"}
PROBE = {"__name__": "wiltonos_doctor_probe", **SENDER}


def steady(phase: float = 0.0, jitter: float = 0.02, count: int = 40) -> list[float]:
    """Times of a sender that pushes each second, as well as a busy machine lets it."""
    noise = random.Random(phase)
    return [second + phase + noise.uniform(-jitter, jitter) for second in range(count)]


@pytest.mark.parametrize(
    ("phases", "senders"), [((0.0,), 1), ((0.0, 0.3), 2), ((0.0, 0.2, 0.5), 3)]
)
def test_senders_are_counted_by_their_rhythm(phases: tuple[float, ...], senders: int) -> None:
    """Several steady senders make gaps that are uneven alone and even together."""
    times = sorted(time for phase in phases for time in steady(phase))
    assert Rhythm(times, [0.0] * len(times)).senders() == senders


def test_an_irregular_sender_is_one_sender() -> None:
    """Who pushes when it likes is not taken for several."""
    noise = random.Random(7)
    times = list(accumulate(noise.expovariate(1.0) for _ in range(60)))
    assert Rhythm(times, times).senders() == 1


def test_too_few_samples_say_nothing() -> None:
    """A service that has just started is not accused."""
    assert Rhythm([1.0], [1.0]).interval is None
    assert Rhythm([0.0, 0.1, 1.0, 1.1], [0.0] * 4).senders() == 1


OLD, NEW, OTHER = (f"3f2b8c1a-0d4e-4f5a-9b6c-{number:012x}" for number in range(3))


def _from_to(start: float, end: float) -> Rhythm:
    return Rhythm([start, end], [0.0, 0.0])


@pytest.mark.parametrize(
    ("rhythms", "found"),
    [
        ({OLD: _from_to(0, 50), NEW: _from_to(52, 100)}, {OLD: NEW}),
        ({OLD: _from_to(0, 10), OTHER: _from_to(12, 30), NEW: _from_to(32, 100)},
         {OLD: OTHER, OTHER: NEW}),
        # replicas beside each other, one of which was taken away
        ({OLD: _from_to(0, 50), NEW: _from_to(20, 100)}, {}),
        # both at work, one began later
        ({OLD: _from_to(0, 99), NEW: _from_to(99.5, 100)}, {}),
        # names that somebody gave
        ({"pod-1": _from_to(0, 50), "pod-2": _from_to(52, 100)}, {}),
        ({OLD: _from_to(0, 50), NEW: Rhythm([], [])}, {}),
    ],
)  # fmt: skip
def test_ids_that_are_made_up_at_each_start_are_recognized(
    rhythms: dict[str, Rhythm], found: dict[str, str]
) -> None:
    """One ended before another began; replicas and names of one's own are no restarts."""
    assert replaced(rhythms, silent_since=85.0) == found


def test_id_of_the_sdk_is_one_that_is_made_up() -> None:
    """What the SDK does at a start without a stated id is what is recognized."""
    ids = [str(uuid4()) for _ in range(2)]
    rhythms = {ids[0]: _from_to(0, 1), ids[1]: _from_to(2, 100)}
    assert replaced(rhythms, silent_since=85.0) == {ids[0]: ids[1]}


def test_all_names_of_the_catalogue_are_right() -> None:
    """With all attributes of their row, every sample name passes."""
    seen = [
        {"__name__": name, "job": "j", "instance": "i", **dict.fromkeys(row.attributes, "x")}
        for row in CATALOGUE
        for name in row.sample_names
    ]
    assert judge_service(seen).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("wiltonos_collapse_operations", "wiltonos_collapse_operations_total"),
        ("wiltonos_loop_pressure_ratio", "wiltonos_loop_pressure"),
        ("wiltonos.loop.pressure", "wiltonos_loop_pressure"),
        ("wiltonos_longevity_dose_amount_mg_sum", "wiltonos_longevity_dose_amount_sum"),
        ("wiltonos_loop_presure", "wiltonos_loop_pressure"),
    ],
)
def test_other_spellings_are_told_the_right_one(name: str, meant: str) -> None:
    """Suffixes of units, a missing _total, dots and slips of the pen."""
    finding = judge_service([{"__name__": name}])
    assert finding.verdict is Verdict.BROKEN
    assert f"{name} should be {meant}" in finding.detail
    assert finding.mend


def test_names_of_others_are_no_spellings_of_ours() -> None:
    """The notifier has instruments of its own."""
    assert judge_service([{"__name__": "wiltonos_notifier_dead_letters"}]).ok


def test_lacking_attributes_are_named() -> None:
    """Rules join on them."""
    bare = {"__name__": f"{DOSE_AMOUNT.series}_sum", "compound": "x"}
    assert "lacks unit" in judge_service([bare]).detail
    spread = {"__name__": LOOP_PRESSURE.series, "loop": "x", "otel_scope_name": "s"}
    assert judge_service([spread]).verdict is Verdict.NOTE


def test_translation_of_the_probe_is_judged() -> None:
    """Another strategy, another sender, scope labels."""
    names = ["wiltonos_doctor_probe"]
    assert judge_probe([PROBE], names, SENDER).verdict is Verdict.OK
    dotted = judge_probe([{**PROBE, "__name__": "wiltonos.doctor.probe"}], names, SENDER)
    assert "translation_strategy" in dotted.mend
    nobody = judge_probe([{"__name__": PROBE["__name__"], "job": "otelcol"}], names, SENDER)
    assert "job='otelcol'" in nobody.detail
    assert judge_probe([{**PROBE, "otel_scope_name": "s"}], names, SENDER).verdict is Verdict.NOTE


@pytest.mark.parametrize(
    ("shown", "skew"), [(100.0, 0.0), (99.0, 0.0), (97.0, -2.0), (103.0, 2.5), (100.4, 0.0)]
)
def test_a_date_cut_to_seconds_accuses_nobody(shown: float, skew: float) -> None:
    """Asked at 100.0 and answered at 100.5; the second that shows may have been any part of it."""
    assert between("x", shown, 1.0, 100.0, 100.5).seconds == pytest.approx(skew)


def test_addresses_are_urls_and_the_endpoint_may_be_whole() -> None:
    """With or without the path that an SDK appends."""
    pipe = pipe_at(Site(otlp_endpoint="http://h:4318/v1/metrics"), {})
    assert pipe is not None
    assert pipe.url("otlp_http") == "http://h:4318"
    assert pipe_at(Site(), {}) is None
    for wrong in ("file:///etc/passwd", "localhost:9090", "http://[::1", "http://h:99999"):
        with pytest.raises(UsageError, match="--prometheus-url"):
            pipe_at(Site(prometheus_url=wrong), {})


def test_what_a_stranger_answers_is_one_short_line() -> None:
    """It may be a page, and may try to speak to the terminal."""
    said = Answer(404, "<html>\n\t<title>\x1b[2JNo</title>\n" + "x" * 500).said
    assert said.startswith(r"<html> <title>\x1b[2JNo</title> xxx")
    assert said.isprintable()
    assert len(said) < 130


def test_headers_of_the_endpoint_are_those_of_the_sdk() -> None:
    """Who needs a key for its Collector has set it for the SDK."""
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}
    pipe = pipe_at(Site(otlp_endpoint="http://h:4318"), environ)
    assert pipe is not None
    assert pipe.headers == {"api-key": "secret"}


def test_a_pipe_of_your_own_needs_no_stack_of_ours() -> None:
    """Without the extra ``stack`` the command works on addresses that are named."""
    program = """
        import sys
        for name in ("yaml", "supervisor", "grafana_foundation_sdk"):
            sys.modules[name] = None
        from wiltonos_otel.cli.entry import main
        sys.argv = ["wt", "metrics", "doctor", "--prometheus-url", "http://127.0.0.1:9"]
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Broken: Prometheus." in done.stdout
    # nothing is called well that could not be seen
    assert "\tok\t" not in done.stdout
    assert done.stderr == ""
