"""Φ as OpenTelemetry metrics: three lines in any service.

>>> import wiltonos_otel
>>> wiltonos_otel.configure(service_name="orders")
>>> wiltonos_otel.coherence.set(0.75)

Importing this package pulls in ``opentelemetry-api`` and the standard library, nothing else, and
has no side effect. A library can set the handles without more cost than that: what computes is
imported by ``configure()``.
"""

from typing import TYPE_CHECKING

from wiltonos_otel.errors import OptionsError, PolicyError, WiltonosError
from wiltonos_otel.instruments.handles import Coherence, Loop
from wiltonos_otel.process import coherence, configure, flush, loop, shutdown

if TYPE_CHECKING:
    from wiltonos_otel.instruments.bound import Handles
    from wiltonos_otel.policy import Policy
else:
    from importlib import import_module as _import_module

    # imported when somebody asks for them (PEP 562); a type checker sees them as above
    _LATER = {"Handles": "wiltonos_otel.instruments.bound", "Policy": "wiltonos_otel.policy"}

    def __getattr__(name: str) -> type:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(_import_module(_LATER[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


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
