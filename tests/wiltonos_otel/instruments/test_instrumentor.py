"""``opentelemetry-instrument`` in front of a program, set up by variables and by a file."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import wiltonos_otel
from wiltonos_otel.instruments.instrumentor import WiltonosInstrumentor
from wiltonos_otel.testing import read_points
from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver

LAUNCHER = str(Path(sys.executable).with_name("opentelemetry-instrument"))
RATIO = "wiltonos.quantum_coherence.ratio"
# not a word about telemetry set-up
PROGRAM = textwrap.dedent("""
    import wiltonos_otel
    wiltonos_otel.coherence.set(0.75)
    wiltonos_otel.loop("orders").collapsed(2)
""")


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running


def launch(program: str, **variables: str) -> str:
    """Run a program behind the launcher; what it said on standard error."""
    environ = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        **variables,
    }
    result = subprocess.run(
        [LAUNCHER, sys.executable, "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


def arrived(receiver: OtlpReceiver) -> dict[str, float]:
    """The newest value of every metric, whatever its attributes."""
    return {
        metric.name: point.as_double if point.HasField("as_double") else point.as_int
        for received in receiver.received
        for metric in received.metrics()
        for point in (*metric.gauge.data_points, *metric.sum.data_points)
    }


def test_launcher_configures_the_handles(receiver: OtlpReceiver) -> None:
    """The provider is the launcher's, and so are endpoint, protocol and name."""
    launch(
        PROGRAM,
        OTEL_SERVICE_NAME="launched",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    values = arrived(receiver)
    assert (values[RATIO], values["wiltonos.collapse.operations"]) == (0.75, 2)
    assert receiver.received[0].resource()["service.name"] == "launched"
    # nobody else pushes: what our own provider would report of its pushes is not there
    assert "wiltonos.telemetry.failed_exports" not in values


def test_launcher_can_be_told_to_leave_us_out(receiver: OtlpReceiver) -> None:
    """The standard variable turns the instrumentation off by its name."""
    launch(
        PROGRAM,
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="wiltonos",
    )
    assert not any(name.startswith("wiltonos.") for name in arrived(receiver))


@pytest.mark.parametrize("says", ["", "wiltonos_otel.configure(service_name='ignored')\n"])
def test_declarative_configuration_is_the_one_in_force(
    receiver: OtlpReceiver, tmp_path: Path, says: str
) -> None:
    """With ``OTEL_CONFIG_FILE`` the provider is the file's; ``configure()`` only registers."""
    file = tmp_path / "otel.yaml"
    reader = {
        "periodic": {
            "interval": 3_600_000,
            "exporter": {"otlp_http": {"endpoint": f"{receiver.endpoint}/v1/metrics"}},
        }
    }
    settings = {
        "file_format": "1.0",
        "resource": {"attributes": [{"name": "service.name", "value": "declared"}]},
        "meter_provider": {"readers": [reader]},
    }
    # JSON is YAML
    file.write_text(json.dumps(settings))
    launch(PROGRAM.replace("otel\n", f"otel\n{says}", 1), OTEL_CONFIG_FILE=str(file))
    values = arrived(receiver)
    assert (values[RATIO], values["wiltonos.collapse.operations"]) == (0.75, 2)
    assert {one.resource()["service.name"] for one in receiver.received} == {"declared"}
    assert "wiltonos.telemetry.failed_exports" not in values


def test_by_hand_with_a_provider_and_back() -> None:
    """The instrumentor takes what ``configure()`` takes, and undoes it."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrumentor = WiltonosInstrumentor()
    wiltonos_otel.shutdown()
    instrumentor.instrument(meter_provider=provider, tracer_provider=None)
    wiltonos_otel.coherence.set(0.75)
    assert read_points(reader)[RATIO, ()] == 0.75
    instrumentor.uninstrument()
    assert (RATIO, ()) not in read_points(reader)
    provider.shutdown()
