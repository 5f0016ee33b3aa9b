"""A receiver per test."""

from collections.abc import Iterator

import pytest

from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with otlp_receiver() as running:
        yield running
