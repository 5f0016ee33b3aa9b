"""Ports move together, and a taken one is named with who has it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiltonos_otel.stack.ports import LOOPBACK, PortInUseError, Ports, holder, is_free, require_free
from wiltonos_service.errors import UsageError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this very process listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_defaults_are_the_contract() -> None:
    """Other programs rely on these numbers."""
    assert Ports().by_name() == {
        "exporter": 9464,
        "longevity": 8765,
        "notifier": 9099,
        "otlp_grpc": 4317,
        "otlp_http": 4318,
        "collector_metrics": 8888,
        "collector_health": 13133,
        "prometheus": 9090,
        "alertmanager": 9093,
        "grafana": 3000,
        "jaeger": 16686,
    }


def test_offset_moves_every_port() -> None:
    """One number makes room for a second stack."""
    moved = Ports.at(20000).by_name()
    assert moved == {name: port + 20000 for name, port in Ports().by_name().items()}


def test_stated_address_is_taken_literally() -> None:
    """What the configuration says is not moved; another machine's address is none of ours."""
    stated = {"exporter": "127.0.0.1:7000", "prometheus": "http://metrics.example:9999"}
    ports = Ports.at(100, stated)
    assert (ports.exporter, ports.prometheus, ports.notifier) == (7000, 9190, 9199)


@pytest.mark.parametrize("offset", [60000, -3000])
def test_offset_out_of_range_is_wrong_usage(offset: int) -> None:
    """A port must stay within 1 to 65535."""
    with pytest.raises(UsageError, match="choose a smaller offset"):
        Ports.at(offset)


def test_taken_port_names_port_and_holder(taken: int) -> None:
    """The line says which port, what for, and which process has it."""
    with pytest.raises(PortInUseError) as error:
        require_free({"the exporter": taken})
    text = str(error.value)
    assert f"port {taken}, needed by the exporter" in text
    assert f"(process {os.getpid()})" in text
    assert "--port-offset" in text


def test_holder_on_ipv6_is_found() -> None:
    """A listener on ::1 is somebody too."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert holder(server.getsockname()[1]).pid == os.getpid()


def test_unknown_holder_stays_generic(taken: int, tmp_path: Path) -> None:
    """Where the system tells nothing, the line says so instead of guessing."""
    assert str(holder(taken, proc=tmp_path)) == "another program"


def test_port_is_free_again_after_close() -> None:
    """Remains of closed connections do not count as taken."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with socket.create_connection((LOOPBACK, port)):
            server.accept()[0].close()
    assert is_free(port)
