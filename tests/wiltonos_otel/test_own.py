"""What ``OTEL_METRICS_EXPORTER`` makes of ``configure()``, in processes of their own."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

import wiltonos_otel
from wiltonos_otel.errors import OptionsError
from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver

RATIO = "wiltonos.quantum_coherence.ratio"
SERIES = "wiltonos_quantum_coherence_ratio 0.75"
# some of these programs fork beside our threads on purpose: Python warns of that from 3.12 on
FORKING = ("-W", "ignore:This process:DeprecationWarning:__main__")
# sets a value, asks its own page, and says what it was told
ASK = """
    import os, sys, urllib.request
    import wiltonos_otel
    port = os.environ["OTEL_EXPORTER_PROMETHEUS_PORT"]
    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
    host = f"[{host}]" if ":" in host else host
    def ask():
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()
    wiltonos_otel.configure(service_name="orders", otlp_endpoint=sys.argv[1])
    wiltonos_otel.coherence.set(0.75)
    print(ask())
"""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    """A port that stays free: of those that were free just now others take one."""
    return unused_tcp_port


def run(program: str, receiver: OtlpReceiver, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, *FORKING, "-c", textwrap.dedent(program), receiver.endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **variables},
    )


def pushed(receiver: OtlpReceiver) -> bool:
    """Whether Φ arrived."""
    return any(m.name == RATIO for batch in receiver.received for m in batch.metrics())


@pytest.mark.parametrize(
    ("exporters", "pushes"), [("prometheus", False), ("otlp, Prometheus", True)]
)
def test_page_for_prometheus_is_served(
    receiver: OtlpReceiver, port: int, exporters: str, pushes: bool
) -> None:
    """A scrape finds what was set, on the standard port, beside or instead of pushing."""
    variables = {"OTEL_METRICS_EXPORTER": exporters, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    ended = run(ASK, receiver, **variables)
    assert SERIES in ended.stdout.splitlines()
    assert 'service_name="orders"' in ended.stdout
    assert ended.stderr == ""
    assert pushed(receiver) == pushes


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0", "::1"])
def test_page_is_where_the_variable_says(receiver: OtlpReceiver, port: int, host: str) -> None:
    """Another address of this machine, all of them, and IPv6."""
    ended = run(
        ASK,
        receiver,
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(port),
        OTEL_EXPORTER_PROMETHEUS_HOST=host,
    )
    assert SERIES in ended.stdout.splitlines()


def test_page_ends_with_shutdown_and_its_port_is_free(receiver: OtlpReceiver, port: int) -> None:
    """A program may begin anew, and does not wait for the page."""
    again = textwrap.dedent(ASK) + textwrap.dedent("""
        import time
        start = time.monotonic()
        wiltonos_otel.shutdown()
        assert time.monotonic() - start < 2
        wiltonos_otel.configure()
        wiltonos_otel.coherence.set(0.5)
        print(ask())
    """)
    variables = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    ended = run(again, receiver, **variables)
    assert "wiltonos_quantum_coherence_ratio 0.5" in ended.stdout.splitlines()


def test_child_that_is_forked_lets_go_of_the_page(receiver: OtlpReceiver, port: int) -> None:
    """Or the address would be taken, and answer nobody, while the child lives on."""
    program = textwrap.dedent(ASK) + textwrap.dedent("""
        import socket
        held, told = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.write(told[1], b"x")
            os.read(held[0], 1)
            os._exit(0)
        os.read(told[0], 1)
        wiltonos_otel.shutdown()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
        os.write(held[1], b"x")
        os.waitpid(child, 0)
    """)
    variables = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    # from Python 3.12 on a fork beside threads warns, so that what is said proves nothing
    run(program, receiver, **variables)


def test_child_that_is_forked_ends_without_waiting_for_the_page(
    receiver: OtlpReceiver, port: int
) -> None:
    """Nobody serves in it, who could be told to stop; from Python 3.12 on it never ended."""
    program = textwrap.dedent(ASK) + textwrap.dedent("""
        import threading
        children = [os.fork()]
        if children == [0]:
            wiltonos_otel.shutdown()
            os._exit("wiltonos-telemetry-end" in [one.name for one in threading.enumerate()])
        children.append(os.fork())
        if children[-1] == 0:
            sys.exit()
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    """)
    variables = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    run(program, receiver, **variables)


def test_address_that_is_taken_is_an_error_that_names_the_variables(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    """The program does not begin without the page that it was told to have; no half is left."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(port))
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
    with socket.create_server(("127.0.0.1", port)):
        for _ in range(2):
            with pytest.raises(OptionsError, match=f"127.0.0.1:{port}: Address already in use"):
                wiltonos_otel.configure()


@pytest.mark.parametrize("text", ["x", "-1", "65536", "94.64"])
def test_port_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It names the variable."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", text)
    with pytest.raises(OptionsError, match="OTEL_EXPORTER_PROMETHEUS_PORT"):
        wiltonos_otel.configure()


def test_console_shows_what_would_be_pushed(receiver: OtlpReceiver) -> None:
    """One JSON document a collection, on standard output, the last one at the end."""
    program = """
        import sys, wiltonos_otel
        wiltonos_otel.configure(
            service_name="orders", otlp_endpoint=sys.argv[1], export_interval_seconds=3600
        )
        wiltonos_otel.coherence.set(0.75)
        assert wiltonos_otel.flush()
        wiltonos_otel.coherence.set(0.5)
    """
    ended = run(program, receiver, OTEL_METRICS_EXPORTER="console")
    decoder, text, values = json.JSONDecoder(), ended.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        text = text[end:].strip()
        (resource,) = document["resource_metrics"]
        assert resource["resource"]["attributes"]["service.name"] == "orders"
        values += [
            point["value"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            if metric["name"] == RATIO
            for point in metric["data"]["data_points"]
        ]
    assert values == [0.75, 0.5]
    assert ended.stderr == ""
    assert not pushed(receiver)


def test_unknown_exporter_is_said_once_and_the_default_counts(receiver: OtlpReceiver) -> None:
    """A slip does not end the metrics of a program."""
    program = """
        import sys, wiltonos_otel
        wiltonos_otel.configure(otlp_endpoint=sys.argv[1])
        wiltonos_otel.coherence.set(0.75)
    """
    ended = run(program, receiver, OTEL_METRICS_EXPORTER="otpl")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("OTEL_METRICS_EXPORTER: 'otpl' passed over, metrics go to otlp; known")
    assert pushed(receiver)


def test_disabled_sdk_serves_nothing(receiver: OtlpReceiver, port: int) -> None:
    """``OTEL_SDK_DISABLED`` means the page as well."""
    program = """
        import os, socket, wiltonos_otel
        wiltonos_otel.configure()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", int(os.environ["OTEL_EXPORTER_PROMETHEUS_PORT"])))
    """
    variables = {
        "OTEL_METRICS_EXPORTER": "prometheus,console,otlp",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        "OTEL_SDK_DISABLED": "true",
    }
    ended = run(program, receiver, **variables)
    assert (ended.stdout, ended.stderr, pushed(receiver)) == ("", "", False)
