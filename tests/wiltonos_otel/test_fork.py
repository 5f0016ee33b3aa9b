"""Processes that fork, are killed, or have their clock set: what arrives, and as whom."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiltonos_service.telemetry.testing import OtlpReceiver, Received, otlp_receiver

RATIO = "wiltonos.quantum_coherence.ratio"
COLLAPSES = "wiltonos.collapse.operations"
HOST = socket.gethostname()

# these programs fork beside our threads on purpose, and Python warns of that from 3.12 on
FORKING = ("-W", "ignore:This process:DeprecationWarning:__main__")

START = """
    import os, signal, sys, time
    import wiltonos_otel
    from wiltonos_otel import coherence, configure, loop, shutdown
"""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running


def run(program: str, *arguments: str, status: int = 0, **variables: str) -> list[str]:
    """Run a program to its end; what it printed, by line."""
    result = subprocess.run(
        [
            *(sys.executable, *FORKING, "-c"),
            *(textwrap.dedent(START) + textwrap.dedent(program), *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )
    assert result.returncode == status, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def by_instance(received: list[Received], name: str) -> dict[str, list[float]]:
    """The values of a metric that arrived, by instance."""
    values: dict[str, list[float]] = defaultdict(list)
    for one in received:
        instance = one.resource()["service.instance.id"]
        for metric in one.metrics():
            if metric.name == name:
                for point in (*metric.gauge.data_points, *metric.sum.data_points):
                    number = point.as_double if point.HasField("as_double") else point.as_int
                    values[instance].append(number)
    return dict(values)


def test_forked_workers_export_their_own_values_as_instances_of_their_own(
    receiver: OtlpReceiver,
) -> None:
    """A pre-fork server that configures first: nobody counts what another one counted."""
    program = """
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=0.05)
        coherence.set(0.75)
        loop("a").collapsed(100)
        wiltonos_otel.flush(20)
        for worker in range(1, 9):
            pid = os.fork()
            if not pid:
                coherence.set(worker / 10)
                loop("a").collapsed(worker)
                sys.exit(0)
            print(pid, worker, flush=True)
        for _ in range(8):
            assert os.wait()[1] == 0
        loop("a").collapsed(1)
    """
    workers = dict(line.split() for line in run(program, receiver.endpoint))
    ratios = by_instance(receiver.received, RATIO)
    totals = by_instance(receiver.received, COLLAPSES)
    expected = {f"{HOST}-{pid}": int(worker) for pid, worker in workers.items()}
    assert {instance: values[-1] for instance, values in totals.items()} == {
        HOST: 101,
        **expected,
    }
    assert {x: set(values) for x, values in ratios.items()} == {
        HOST: {0.75},
        **{instance: {worker / 10} for instance, worker in expected.items()},
    }


def test_workers_forked_before_configure_for_themselves(receiver: OtlpReceiver) -> None:
    """The ``post_fork`` of a server: each worker names its instance."""
    program = """
        for worker in range(3):
            if not os.fork():
                configure(otlp_endpoint=sys.argv[1], instance_id=f"worker-{worker}")
                loop("a").collapsed()
                sys.exit(0)
        for _ in range(3):
            assert os.wait()[1] == 0
    """
    run(program, receiver.endpoint)
    assert by_instance(receiver.received, COLLAPSES) == {f"worker-{n}": [1] for n in range(3)}


def test_fork_waits_for_a_collection_and_never_inherits_its_locks(
    receiver: OtlpReceiver,
) -> None:
    """Fifty forks while collections run without a pause: every child can still export."""
    program = """
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=0.005)
        for number in range(300):
            loop(str(number)).set(0.75)
        for _ in range(50):
            pid = os.fork()
            if not pid:
                loop("child").collapsed()
                os._exit(0 if wiltonos_otel.flush(20) else 1)
            assert os.waitpid(pid, 0)[1] == 0
    """
    run(program, receiver.endpoint)
    children = by_instance(receiver.received, COLLAPSES)
    # the loops of the parent are announced with 0
    assert set(children.pop(HOST)) == {0}
    assert len(children) == 50
    assert {values[-1] for values in children.values()} == {1}


def test_child_on_a_slow_machine_exports_nothing_of_its_parent(receiver: OtlpReceiver) -> None:
    """However long a child takes to begin: no collection precedes its name and its own values."""
    program = """
        from opentelemetry import metrics
        from wiltonos_otel.instruments import bound, coherence as signals
        for kind in (bound.Bound, signals.CoherenceInstruments):
            def slowly(self, begin_anew=kind.begin_anew):
                time.sleep(0.05)
                begin_anew(self)
            kind.begin_anew = slowly
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=0.005)
        # made after the thread that collects
        hits = wiltonos_otel.Handles(metrics.get_meter("orders")).counter("hits").bind()
        hits.add(100)
        loop("a").collapsed(100)
        wiltonos_otel.flush(20)
        if child := os.fork():
            print(child)
            assert os.waitpid(child, 0)[1] == 0
        else:
            hits.add()
            loop("a").collapsed()
            os._exit(0 if wiltonos_otel.flush(20) else 1)
    """
    (child,) = run(program, receiver.endpoint)
    instances = {one.resource()["service.instance.id"] for one in receiver.received}
    assert instances == {HOST, f"{HOST}-{child}"}
    for name in ("hits", COLLAPSES):
        assert set(by_instance(receiver.received, name)[f"{HOST}-{child}"]) == {1}


def test_worker_of_multiprocessing_delivers_at_its_end(receiver: OtlpReceiver) -> None:
    """It ends without ``atexit``, and still nothing of its last interval is lost."""
    program = """
        import multiprocessing
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        forking = multiprocessing.get_context("fork")
        workers = [forking.Process(target=loop("a").collapsed, args=(n,)) for n in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
    """
    run(program, receiver.endpoint)
    totals = by_instance(receiver.received, COLLAPSES)
    assert sorted(values[-1] for values in totals.values()) == [1, 2]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_of_multiprocessing_that_configures_itself_delivers_at_its_end(
    receiver: OtlpReceiver, tmp_path: Path, method: str
) -> None:
    """However it was started, and although only ``spawn`` runs ``atexit`` in it."""
    program = """
        import multiprocessing
        def work(place):
            configure(otlp_endpoint=sys.argv[2], instance_id=f"worker-{place}")
            loop("a").collapsed(place)
        if __name__ == "__main__":
            starting = multiprocessing.get_context(sys.argv[1])
            workers = [starting.Process(target=work, args=(n,)) for n in (1, 2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
    """
    # what is spawned imports the program by its file
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(START) + textwrap.dedent(program))
    subprocess.run([sys.executable, file, method, receiver.endpoint], timeout=60, check=True)
    assert by_instance(receiver.received, COLLAPSES) == {"worker-1": [1], "worker-2": [2]}


def test_worker_killed_by_sigterm_delivers_and_dies_of_it(receiver: OtlpReceiver) -> None:
    """A child has what its parent has: its last word, and the exit status of SIGTERM."""
    program = """
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        ready, wrote = os.pipe()
        pid = os.fork()
        if not pid:
            coherence.set(0.71)
            os.write(wrote, b"x")
            while True:
                signal.pause()
        os.read(ready, 1)
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    """
    run(program, receiver.endpoint)
    (values,) = by_instance(receiver.received, RATIO).values()
    assert values == [0.71]


def test_child_with_a_foreign_provider_begins_its_own_streams() -> None:
    """The provider is its owner's; our part of it counts from zero in a child."""
    program = """
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from wiltonos_otel.testing import read_points
        reader = InMemoryMetricReader()
        configure(meter_provider=MeterProvider([reader]))
        loop("a").collapsed(100)
        coherence.set(0.75)
        coherence.set(7)
        read_points(reader)
        pid = os.fork()
        if not pid:
            loop("a").collapsed()
            points = read_points(reader)
            print(points["wiltonos.collapse.operations", (("loop", "a"),)])
            print(("wiltonos.quantum_coherence.ratio", ()) in points)
            print(sum(n for (name, _), n in points.items() if name == "wiltonos.source.errors"))
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    assert run(program) == ["1", "False", "0"]


def test_service_without_a_collector_ends_in_two_seconds_and_says_one_line(
    unused_tcp_port: int,
) -> None:
    """Refused at every push: the program runs and ends as if there were no telemetry."""
    program = """
        import wiltonos_otel, sys, time
        wiltonos_otel.configure(otlp_endpoint=sys.argv[1], export_interval_seconds=0.05)
        for number in range(1000):
            wiltonos_otel.coherence.set(number / 1000)
        wiltonos_otel.flush(0.5)
        start = time.monotonic()
        wiltonos_otel.shutdown()
        print(time.monotonic() - start)
    """
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), nobody],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert float(result.stdout) < 2
    lines = result.stderr.splitlines()
    assert [line for line in lines if "fails" in line] == lines[:1]
    assert len(lines) <= 2


@pytest.mark.parametrize("hours", [1, -1])
def test_clock_that_jumps_by_an_hour_is_followed_at_once(
    receiver: OtlpReceiver, hours: int
) -> None:
    """The sample before the jump is no sample any more, and the one after it is exported."""
    program = """
        import wiltonos_otel.clock, wiltonos_otel.instruments.handles as handles
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        coherence.set(0.75)
        loop("a").set(0.74)
        loop("a").collapsed(3)
        wiltonos_otel.flush(20)
        real, jump = time.time_ns, int(sys.argv[2]) * 3600 * 10**9
        # every reader of the clock sees the jump, the SDK too
        time.time_ns = handles.time_ns = lambda: real() + jump
        wiltonos_otel.flush(20)
        coherence.set(0.76)
        loop("a").set(0.73)
        loop("a").collapsed()
        wiltonos_otel.flush(20)
    """
    run(program, receiver.endpoint, str(hours))
    first, silent, after, *_ = receiver.received
    assert by_instance([first], RATIO) == {HOST: [0.75]}
    assert by_instance([silent], RATIO) == {}
    assert by_instance([after], RATIO) == {HOST: [0.76]}
    assert by_instance([after], "wiltonos.loop.quantum_coherence") == {HOST: [0.73]}
    assert by_instance([first, silent, after], COLLAPSES) == {HOST: [3, 3, 4]}
    errors = by_instance([after], "wiltonos.source.errors")
    assert set(errors[HOST]) == {0}


def test_sigterm_while_forking_reaches_every_process(receiver: OtlpReceiver) -> None:
    """Parent and children, each killed: each has delivered its own last value."""
    program = """
        configure(otlp_endpoint=sys.argv[1], export_interval_seconds=3600)
        pids = []
        for worker in range(3):
            ready, wrote = os.pipe()
            pid = os.fork()
            if not pid:
                loop("a").collapsed(worker + 1)
                os.write(wrote, b"x")
                while True:
                    signal.pause()
            os.read(ready, 1)
            pids.append(pid)
        loop("a").collapsed(10)
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    """
    run(program, receiver.endpoint, status=-signal.SIGTERM)
    totals = by_instance(receiver.received, COLLAPSES)
    assert sorted(values[-1] for values in totals.values()) == [1, 2, 3, 10]
