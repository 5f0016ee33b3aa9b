"""The errors of the instrumentation package."""

from wiltonos_service.errors import OperatorError


class WiltonosError(OperatorError):
    """Base of every error that ``wiltonos_otel`` raises on purpose."""


class PolicyError(WiltonosError, ValueError):
    """The coherence policy contradicts itself, or no signal could ever meet it."""


class OptionsError(WiltonosError, ValueError):
    """What ``configure()`` was told is wrong; the text names the origin and the fix."""
