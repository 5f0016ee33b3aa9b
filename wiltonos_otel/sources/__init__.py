"""Where samples come from: the state files of WiltonOS, and a simulator that writes them.

What watches a directory is in ``wiltonos_otel.sources.directory``: a command that only looks at
files does not load it.
"""

from wiltonos_otel.sources.document import LoopSample, StateSample, parse_loop, parse_state
from wiltonos_otel.sources.reasons import Bad, Reason

__all__ = [
    "Bad",
    "LoopSample",
    "Reason",
    "StateSample",
    "parse_loop",
    "parse_state",
]
