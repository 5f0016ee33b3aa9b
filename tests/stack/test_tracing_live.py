"""A real Alertmanager's spans reach the place for traces, through the real Collector."""

import json
import urllib.request
from dataclasses import fields
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.stack.conftest import NativeStack, free_ports
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.ports import Ports
from wiltonos_service.telemetry.testing import otlp_receiver

pytestmark = pytest.mark.stack


def test_spans_of_a_dispatch_come_out_of_the_collector(
    binaries: dict[str, Path], tmp_path: Path
) -> None:
    """As rendered with tracing: Alertmanager pushes to the Collector, and that to the place."""
    ports = Ports(**free_ports([each.name for each in fields(Ports)]))
    with otlp_receiver() as receiver:
        traces = f"{receiver.endpoint}/v1/traces"
        stack = NativeStack(binaries, tmp_path, ports, Policy(), traces=traces)
        stack.write_config()
        try:
            stack.start("otelcol", "alertmanager")
            _report(stack)
            # it pushes what it has when it ends
            stack.kill("alertmanager", SIGTERM)
            receiver.wait_for(lambda _: receiver.spans())
        finally:
            stack.stop()
        assert {each.service for each in receiver.spans()} == {"alertmanager"}
        assert {each.path for each in receiver.received} == {"/v1/traces"}


def _report(stack: NativeStack) -> None:
    body = json.dumps([{"labels": {"alertname": "A", "job": "j"}}]).encode()
    url = stack.ports.url("alertmanager") + "/api/v2/alerts"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
