"""Feeds what the state files say to the signal and its instruments."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from wiltonos_otel.instruments.coherence import CoherenceInstruments
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.phi import Refusal
from wiltonos_otel.sources.document import says_simulated
from wiltonos_otel.sources.files import STATE_FILE, read_file
from wiltonos_otel.sources.reasons import Reason


class SignalFeed:
    """A sink of a state directory; see ``sources.intake.Sink``.

    Args:
        signal: takes the samples, and is exported from now on.
        instruments: count what is refused, by reason.
        labelled: the series of the signal carry the attribute ``source``.
    """

    def __init__(
        self, signal: Signal, instruments: CoherenceInstruments, *, labelled: bool = False
    ) -> None:
        self._signal = signal
        self._instruments = instruments
        self._errors: Counter[str] = Counter()
        instruments.attach(signal, [reason.value for reason in Reason], labelled=labelled)

    @property
    def errors(self) -> Mapping[str, int]:
        """What was refused since the start, by reason."""
        return dict(self._errors)

    def sample(self, time_ms: int, phi: float) -> Refusal | None:
        """Take a sample of Φ, or say why not."""
        return self._signal.observe(time_ms, phi)

    def loop(
        self,
        name: str,
        time_ms: int,
        phi: float,
        phi_star: float | None,
        collapses: int | None,
    ) -> Refusal | None:
        """Take a sample of a loop, or say why not."""
        return self._signal.observe_loop(name, time_ms, phi, phi_star, collapses)

    def forget(self, name: str) -> None:
        """Drop a loop whose file vanished long ago."""
        self._signal.forget_loop(name)

    def error(self, source: str, reason: Reason, detail: str) -> None:  # noqa: ARG002 - the source logs it
        """Count a content that was not taken."""
        self._errors[reason.value] += 1
        self._instruments.refused(source, reason.value)

    def recovered(self, source: str, file: str) -> None:
        """Nothing is counted: the source says it in its log."""


def is_simulated(directory: Path) -> bool | None:
    """Whether the state file says that it is made up; None where it says nothing readable."""
    found = read_file(directory / STATE_FILE)
    if found is None or not isinstance(found.content, bytes):
        return None
    return says_simulated(found.content)
