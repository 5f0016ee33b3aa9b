"""The pytest plugin: the fixture ``wiltonos_metrics``, see ``wiltonos_otel.testing``.

Loaded by every pytest run of an environment, so that it imports no SDK before it is used.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wiltonos_otel.testing import Metrics


@pytest.fixture
def wiltonos_metrics() -> "Iterator[Metrics]":
    """What the handles of this process export, configured for one test."""
    from wiltonos_otel.testing import recorded_metrics  # noqa: PLC0415 - the SDK is an extra

    with recorded_metrics() as metrics:
        yield metrics
