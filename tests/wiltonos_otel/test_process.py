"""The three lines: configure, set, loop; in this process and in processes of their own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import wiltonos_otel
from wiltonos_otel.testing import Metrics, read_points, recorded_metrics
from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver

RATIO = "wiltonos.quantum_coherence.ratio"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **variables},
    )


def values(receiver: OtlpReceiver, name: str) -> list[float]:
    """The values of a metric that arrived."""
    return [
        point.as_double if point.HasField("as_double") else point.as_int
        for received in receiver.received
        for metric in received.metrics()
        if metric.name == name
        for point in (*metric.gauge.data_points, *metric.sum.data_points)
    ]


def test_importing_pulls_in_the_api_and_the_standard_library_only() -> None:
    """A library may be imported anywhere: no SDK, no pydantic, no side effect."""
    program = """
        import sys, threading
        import opentelemetry.metrics
        before = set(sys.modules)
        import wiltonos_otel
        names = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(names - sys.stdlib_module_names - {"opentelemetry"}))
        print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
        print(threading.active_count())
    """
    foreign, sdk, threads = run(program).stdout.splitlines()
    assert foreign == "['wiltonos_otel', 'wiltonos_service']"
    assert sdk == "[]"
    assert threads == "1"


def test_what_computes_is_not_imported_before_it_is_asked_for() -> None:
    """Who only sets handles pays for handles; every public name is there all the same."""
    program = """
        import sys, wiltonos_otel
        wiltonos_otel.coherence.set(0.75)
        wiltonos_otel.loop("a").collapsed()
        print("wiltonos_otel.phi" in sys.modules, "wiltonos_otel.policy" in sys.modules)
        print(set(wiltonos_otel.__all__) <= set(dir(wiltonos_otel)))
        print(wiltonos_otel.Policy().target, wiltonos_otel.Handles.__name__)
        try:
            wiltonos_otel.Polices
        except AttributeError as error:
            print(error)
    """
    early, names, later, wrong = run(program).stdout.splitlines()
    assert early == "False False"
    assert names == "True"
    assert later == "0.75 Handles"
    assert wrong == "module 'wiltonos_otel' has no attribute 'Polices'"


def test_public_names_are_what_all_says() -> None:
    """``__all__`` is sorted, complete and documented."""
    assert wiltonos_otel.__all__ == sorted(wiltonos_otel.__all__)
    for name in wiltonos_otel.__all__:
        assert getattr(wiltonos_otel, name).__doc__, name


def test_three_lines_make_metrics(wiltonos_metrics: Metrics) -> None:
    """Φ, a loop and its collapse."""
    wiltonos_otel.coherence.set(0.76)
    wiltonos_otel.loop("orders").set(0.7, phi_star=0.8)
    wiltonos_otel.loop("orders").collapsed()
    assert wiltonos_metrics.value(RATIO) == 0.76
    assert wiltonos_metrics.value("wiltonos.loop.quantum_coherence", loop="orders") == 0.7
    assert wiltonos_metrics.value("wiltonos.loop.pressure", loop="orders") == pytest.approx(0.1)
    assert wiltonos_metrics.value("wiltonos.collapse.operations", loop="orders") == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.5, "out_of_range"),
        (float("nan"), "non_finite"),
        ("x", "non_finite"),
        pytest.param(10**400, "non_finite", id="no double holds it"),
    ],
)
def test_wrong_value_is_counted_and_never_raises(
    wiltonos_metrics: Metrics, value: float, reason: str
) -> None:
    """Instrumentation does not break what it measures."""
    wiltonos_otel.coherence.set(value)
    assert wiltonos_metrics.value(RATIO) is None
    key = {"source": "handles", "reason": reason}
    # refused while it is collected, and so seen by the next collection at the latest
    assert wiltonos_metrics.value("wiltonos.source.errors", **key) == 1


def test_collapses_from_many_threads_all_count(wiltonos_metrics: Metrics) -> None:
    """The handles may be shared."""
    loop = wiltonos_otel.loop("busy")

    def work() -> None:
        for _ in range(500):
            loop.collapsed()
            wiltonos_otel.coherence.set(0.75)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wiltonos_metrics.value("wiltonos.collapse.operations", loop="busy") == 2000
    errors = [
        value
        for (name, _), value in wiltonos_metrics.points().items()
        if name == "wiltonos.source.errors"
    ]
    assert sum(errors) == 0


@pytest.mark.parametrize("count", [-1, 1.5, float("nan"), "x", None])
def test_what_is_no_count_is_refused_and_costs_the_others_nothing(
    wiltonos_metrics: Metrics, count: Any
) -> None:
    """Collapses that were told before and after it all count, and Φ is there."""
    loop = wiltonos_otel.loop("careless")
    loop.collapsed(2)
    loop.collapsed(count)
    loop.collapsed(3)
    wiltonos_otel.coherence.set(0.75)
    points = wiltonos_metrics.points()
    assert points[RATIO, ()] == 0.75
    assert points["wiltonos.collapse.operations", (("loop", "careless"),)] == 5
    key = (("reason", "bad_collapses"), ("source", "handles"))
    assert points["wiltonos.source.errors", key] == 1


class Odd:
    """A value of a library that raises what it likes, as a tensor of two elements does."""

    def __float__(self) -> float:
        """Raise."""
        raise RuntimeError("two elements")

    def __index__(self) -> int:
        """Raise."""
        raise RuntimeError("two elements")


def test_value_that_raises_is_counted_and_costs_the_others_nothing(
    wiltonos_metrics: Metrics,
) -> None:
    """What was set and told before and after it is all there at the first collection."""
    loop = wiltonos_otel.loop("odd")
    wiltonos_otel.coherence.set(0.75)
    loop.collapsed(2)
    loop.set(Odd())  # type: ignore[arg-type]
    loop.collapsed(Odd())  # type: ignore[arg-type]
    wiltonos_otel.loop("even").set(0.7)
    loop.collapsed(3)
    points = wiltonos_metrics.points()
    assert points[RATIO, ()] == 0.75
    assert points["wiltonos.loop.quantum_coherence", (("loop", "even"),)] == 0.7
    assert points["wiltonos.collapse.operations", (("loop", "odd"),)] == 5
    for reason in ("non_finite", "bad_collapses"):
        key = (("reason", reason), ("source", "handles"))
        assert points["wiltonos.source.errors", key] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stale_after_seconds", float("inf")),
        ("stale_after_seconds", float("nan")),
        ("stale_after_seconds", -1),
        ("stale_after_seconds", "soon"),
        ("max_loops", 0),
        ("max_loops", "many"),
    ],
)
def test_wrong_argument_is_one_line_that_names_it(name: str, value: Any) -> None:
    """And nothing is in force: the next call counts."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    with pytest.raises(wiltonos_otel.OptionsError, match=f"^{name} = .*correct it$"):
        wiltonos_otel.configure(meter_provider=provider, **{name: value})
    with recorded_metrics() as metrics:
        wiltonos_otel.coherence.set(0.75)
        assert metrics.value(RATIO) == 0.75
    provider.shutdown()


def test_handles_do_nothing_before_configure() -> None:
    """Nothing is kept, nothing fails."""
    wiltonos_otel.shutdown()
    wiltonos_otel.coherence.set(0.75)
    wiltonos_otel.loop("x").collapsed()
    assert wiltonos_otel.flush()


def test_foreign_provider_is_used_and_never_shut_down() -> None:
    """Our series come and go; the provider and its reader stay as they are."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    for value in (0.75, 0.76):
        wiltonos_otel.configure(meter_provider=provider)
        wiltonos_otel.coherence.set(value)
        assert read_points(reader)[RATIO, ()] == value
        wiltonos_otel.shutdown()
        assert (RATIO, ()) not in read_points(reader)
    provider.get_meter("theirs").create_counter("still").add(1)
    assert read_points(reader)["still", ()] == 1


def test_what_a_foreign_provider_decides_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """An argument that cannot take effect is not swallowed."""
    provider = MeterProvider(shutdown_on_exit=False)
    wiltonos_otel.configure(meter_provider=provider, service_name="a")
    wiltonos_otel.shutdown()
    assert caplog.messages == ["there is a MeterProvider: its resource, endpoint and interval stay"]
    wiltonos_otel.configure(meter_provider=provider)
    wiltonos_otel.shutdown()
    assert len(caplog.messages) == 1


def test_instance_that_is_stated_wins_over_the_environment(receiver: OtlpReceiver) -> None:
    """Workers that share one environment are instances of their own."""
    program = """
        import sys, wiltonos_otel
        wiltonos_otel.configure(instance_id="worker-1", otlp_endpoint=sys.argv[1])
        wiltonos_otel.coherence.set(0.75)
    """
    run(program, receiver.endpoint, OTEL_RESOURCE_ATTRIBUTES="service.instance.id=pod")
    assert receiver.received[0].resource()["service.instance.id"] == "worker-1"


def test_second_configure_changes_nothing(wiltonos_metrics: Metrics) -> None:
    """It is safe to call it wherever a service starts."""
    wiltonos_otel.configure(service_name="other", otlp_endpoint="http://127.0.0.1:1")
    wiltonos_otel.coherence.set(0.75)
    assert wiltonos_metrics.value(RATIO) == 0.75


def test_second_configure_says_once_what_it_ignores() -> None:
    """Who names a service twice hears which name counts; no secret is told."""
    program = """
        import wiltonos_otel
        own = "http://me:hidden@127.0.0.1:9"
        wiltonos_otel.configure(service_name="orders", otlp_endpoint=own)
        for name in ("billing", "shipping"):
            wiltonos_otel.configure(
                service_name=name, max_loops=7, policy=wiltonos_otel.Policy(target=0.74),
                otlp_endpoint="http://me:secret@127.0.0.1:1", handle_sigterm=False,
            )
    """
    line, *others = run(program).stderr.splitlines()
    assert line == (
        "configure() was called before, and that call stays in force; ignored: "
        "service_name=billing (in force: orders), "
        "otlp_endpoint=http://me:[secret]@127.0.0.1:1 (in force: http://me:[secret]@127.0.0.1:9), "
        "policy (in force: another), max_loops=7 (in force: 1000), "
        "handle_sigterm=False (in force: True); call shutdown() before, to change it"
    )
    assert not [other for other in others if "configure" in other]


def test_second_configure_that_asks_for_the_same_is_silent() -> None:
    """The same arguments, none, or what came of the first ones by themselves."""
    program = """
        import wiltonos_otel
        for arguments in (
            {"service_name": "orders"}, {"service_name": "orders"}, {}, {"instance_id": "pod"},
            {"otlp_endpoint": "http://127.0.0.1:4318", "export_interval_seconds": 5},
            {"policy": wiltonos_otel.Policy(), "max_loops": 1000},
        ):
            wiltonos_otel.configure(**arguments)
    """
    variables = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=pod",
        "OTEL_METRICS_EXPORTER": "none",
    }
    assert run(program, **variables).stderr == ""


def test_second_configure_beside_a_foreign_provider_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first one that is ignored is told as before, the second one too."""
    provider = MeterProvider(shutdown_on_exit=False)
    wiltonos_otel.configure(meter_provider=provider, service_name="a")
    wiltonos_otel.configure(meter_provider=provider, service_name="a")
    assert len(caplog.messages) == 1
    wiltonos_otel.configure(meter_provider=MeterProvider(shutdown_on_exit=False), service_name="b")
    wiltonos_otel.shutdown()
    assert caplog.messages[1:] == [
        (
            "configure() was called before, and that call stays in force; ignored: service_name=b "
            "(in force: what the MeterProvider has), meter_provider (in force: another); "
            "call shutdown() before, to change it"
        )
    ]


def test_last_value_arrives_when_the_program_ends(receiver: OtlpReceiver) -> None:
    """No flush, no shutdown, a long interval: ``atexit`` delivers."""
    program = """
        import sys, wiltonos_otel
        wiltonos_otel.configure(service_name="orders", otlp_endpoint=sys.argv[1])
        wiltonos_otel.coherence.set(0.75)
    """
    run(program, receiver.endpoint, OTEL_SERVICE_NAME="from-environment")
    assert values(receiver, RATIO) == [0.75]
    assert receiver.received[0].resource()["service.name"] == "orders"


@pytest.mark.parametrize("exporter", ["otlp", "none"])
def test_process_that_ends_needs_no_new_thread(receiver: OtlpReceiver, exporter: str) -> None:
    """Python 3.12 and later start none while the interpreter ends."""
    program = """
        import atexit, sys, threading, wiltonos_otel
        def refuse(*arguments, **keywords):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        wiltonos_otel.configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        wiltonos_otel.coherence.set(0.75)
        # what is registered last runs first
        atexit.register(lambda: setattr(threading, "_start_new_thread", refuse))
    """
    ended = run(program, receiver.endpoint, OTEL_METRICS_EXPORTER=exporter)
    assert ended.stderr == ""
    assert values(receiver, RATIO) == ([0.75] if exporter == "otlp" else [])


def test_last_value_arrives_on_sigterm_and_the_exit_status_stays(receiver: OtlpReceiver) -> None:
    """The process dies of SIGTERM as before, but says its last word first."""
    program = """
        import signal, sys, wiltonos_otel
        wiltonos_otel.configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        wiltonos_otel.coherence.set(0.75)
        print("set", flush=True)
        signal.pause()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), receiver.endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "set\n"
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    assert values(receiver, RATIO) == [0.75]


def test_handler_of_the_program_keeps_sigterm(receiver: OtlpReceiver) -> None:
    """Who handles SIGTERM ends by itself, and then the last value is delivered at exit."""
    program = """
        import signal, sys, wiltonos_otel
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        wiltonos_otel.configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        wiltonos_otel.coherence.set(0.75)
        print("set", flush=True)
        signal.pause()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), receiver.endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "set\n"
        process.terminate()
        assert process.wait(10) == 7
    assert values(receiver, RATIO) == [0.75]


def test_without_an_sdk_one_line_says_so_and_handles_work() -> None:
    """The library half alone is enough to import and to call."""
    program = """
        import sys
        sys.modules["opentelemetry.sdk"] = None
        import wiltonos_otel
        wiltonos_otel.configure()
        for _ in range(5000):
            wiltonos_otel.coherence.set(0.75)
        wiltonos_otel.loop("x").collapsed()
        wiltonos_otel.shutdown()
    """
    (line,) = run(program).stderr.splitlines()
    assert 'pip install "wiltonos-otel[sdk]"' in line


def test_loops_beyond_the_bound_are_one_series_and_said_once() -> None:
    """A name that varies costs one warning, not the memory of the process."""
    program = """
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        import wiltonos_otel
        from wiltonos_otel.testing import read_points
        reader = InMemoryMetricReader()
        wiltonos_otel.configure(meter_provider=MeterProvider([reader]), max_loops=2)
        for number in range(100):
            wiltonos_otel.loop(f"order-{number}").set(0.75)
            wiltonos_otel.loop(f"order-{number}").collapsed()
        for (name, attributes), value in sorted(read_points(reader).items()):
            if "loop" in name or "collapse" in name:
                print(name, dict(attributes), value)
    """
    result = run(program)
    collapses, coherence = "wiltonos.collapse.operations", "wiltonos.loop.quantum_coherence"
    assert [line for line in result.stdout.splitlines() if "pressure" not in line] == [
        f"{collapses} {{'loop': 'order-0'}} 1",
        f"{collapses} {{'loop': 'order-1'}} 1",
        f"{collapses} {{'otel.metric.overflow': True}} 98",
        f"{coherence} {{'loop': 'order-0'}} 0.75",
        f"{coherence} {{'loop': 'order-1'}} 0.75",
    ]
    (line,) = result.stderr.splitlines()
    assert "loop 'order-2' is one of more than 2" in line
