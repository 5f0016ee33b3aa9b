"""OTLP over TLS, both protocols: private authorities, client certificates, and their mishaps."""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    add_MetricsServiceServicer_to_server,
)

from tests.wiltonos_service.telemetry.test_otlp_grpc import IDENTITY, Receiver
from wiltonos_service.errors import SettingsError
from wiltonos_service.telemetry.protocol import GRPC, HTTP
from wiltonos_service.telemetry.provider import Push, Telemetry
from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver

# base URL, and how many requests were taken
Server = tuple[str, Callable[[], int]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with certificates of a server and of a client, each its own authority."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificates, is not installed on this machine")
    directory = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=directory,
            check=True,
            capture_output=True,
        )  # fmt: skip
    return directory


@contextmanager
def _http(certificates: Path) -> Iterator[Server]:
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=certificates / "client.pem"
    )
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with otlp_receiver(context) as receiver:
        yield receiver.endpoint, lambda: len(receiver.received)


@contextmanager
def _grpc(certificates: Path) -> Iterator[Server]:
    servicer, server = Receiver(), grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.pem").read_bytes())
    credentials = grpc.ssl_server_credentials(
        [pair], (certificates / "client.pem").read_bytes(), require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"https://127.0.0.1:{port}", lambda: len(servicer.taken)
    finally:
        server.stop(0).wait(5)


@pytest.fixture(params=[HTTP, GRPC])
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def server(protocol: str, certificates: Path) -> Iterator[Server]:
    """A receiver that speaks TLS only, and only with the client that it knows."""
    with (_http if protocol == HTTP else _grpc)(certificates) as running:
        yield running


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, certificates: Path) -> Path:
    """The standard variables name the certificates; what ``requests`` is told does not count."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "client.pem"))
    for variable, file in (
        ("CERTIFICATE", "server.pem"),
        ("CLIENT_KEY", "client.key"),
        ("CLIENT_CERTIFICATE", "client.pem"),
    ):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{variable}", str(certificates / file))
    return certificates


def _push(endpoint: str, protocol: str) -> Telemetry:
    telemetry = Telemetry(IDENTITY, push=Push(endpoint, 60, protocol=protocol))
    telemetry.provider.get_meter("test").create_counter("hits").add(3)
    return telemetry


@pytest.mark.usefixtures("known")
def test_collection_arrives_over_tls_with_a_client_certificate(
    server: Server, protocol: str
) -> None:
    """Both sides know each other by files."""
    telemetry = _push(server[0], protocol)
    assert telemetry.flush(5)
    telemetry.shutdown()
    assert server[1]() >= 1


def test_server_that_nobody_vouches_for_gets_nothing(
    server: Server, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again, because a certificate may be mended, and said in one line."""
    telemetry = _push(server[0], protocol)
    assert not telemetry.flush(3)
    assert telemetry.push
    assert telemetry.push.health().lost == 0
    telemetry.shutdown(1.0)
    assert server[1]() == 0
    assert len([line for line in caplog.messages if "fails" in line]) == 1


def test_certificate_that_is_not_there_is_said_at_the_start(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, and nothing is lost quietly later."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/nowhere/ca.pem")
    with pytest.raises(SettingsError, match=r"_METRICS_CERTIFICATE=/nowhere/ca\.pem: No such file"):
        _push("https://127.0.0.1:4318", protocol)


def test_certificate_that_has_gone_may_come_back(
    server: Server, protocol: str, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renews certificates takes them away for a moment: nothing is lost."""
    file = tmp_path / "ca.pem"
    shutil.copy(known / "server.pem", file)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(file))
    telemetry = _push(server[0], protocol)
    file.unlink()
    assert not telemetry.flush(3)
    shutil.copy(known / "server.pem", file)
    assert telemetry.flush(5) or telemetry.flush(5)
    assert telemetry.push
    assert telemetry.push.health().lost == 0
    telemetry.shutdown()


def test_refused_collection_is_not_called_delivered() -> None:
    """A flush is true only when the receiver has it."""
    with otlp_receiver() as receiver:
        assert isinstance(receiver, OtlpReceiver)
        receiver.status = 400
        telemetry = _push(receiver.endpoint, HTTP)
        assert not telemetry.flush(5)
        telemetry.shutdown()
