"""For ``opentelemetry-instrument``: configures the handles without a line in the program."""

import inspect
from collections.abc import Collection
from typing import Any

# its module is exempt from type checking as a whole
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from wiltonos_otel.process import configure, shutdown


class WiltonosInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Registers the handles with the MeterProvider of the process.

    ``opentelemetry-instrument`` finds it by its entry point and calls it once the SDK is
    configured, by variables or by the file that ``OTEL_CONFIG_FILE`` names. It can be called by
    hand as well: ``WiltonosInstrumentor().instrument()`` takes the arguments of ``configure()``.
    ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=wiltonos`` turns it off.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: what is instrumented is the program itself."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        # what others pass to every instrumentor means nothing here
        known = inspect.signature(configure).parameters
        configure(**{key: value for key, value in kwargs.items() if key in known})

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the base class passes it
        shutdown()
