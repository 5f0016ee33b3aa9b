"""Where samples come from: the state files of WiltonOS, and a simulator that writes them."""

from wiltonos_otel.sources.directory import StateDirectory
from wiltonos_otel.sources.document import LoopSample, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.intake import Sink
from wiltonos_otel.sources.reasons import Bad, Reason

__all__ = [
    "Bad",
    "LoopSample",
    "Reason",
    "Sink",
    "StateDirectory",
    "StateSample",
    "parse_loop",
    "parse_state",
]
