"""Φ as OpenTelemetry metrics: three lines in any service.

>>> import wiltonos_otel
>>> wiltonos_otel.configure(service_name="orders")
>>> wiltonos_otel.coherence.set(0.75)

Importing this package pulls in ``opentelemetry-api`` and the standard library, nothing else, and
has no side effect.
"""

from wiltonos_otel.errors import OptionsError, PolicyError, WiltonosError
from wiltonos_otel.instruments.bound import Handles
from wiltonos_otel.instruments.handles import Coherence, Loop
from wiltonos_otel.policy import Policy
from wiltonos_otel.process import coherence, configure, flush, loop, shutdown

__all__ = [
    "Coherence",
    "Handles",
    "Loop",
    "OptionsError",
    "Policy",
    "PolicyError",
    "WiltonosError",
    "coherence",
    "configure",
    "flush",
    "loop",
    "shutdown",
]
