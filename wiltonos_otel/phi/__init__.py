"""The Φ signal: samples, band, pressure, exact slopes, Sustained-Good, and the fold over them.

Pure: no I/O, no clock, no telemetry; time comes in as an argument. Exports nothing that can fail
for a reason other than its arguments.
"""

from wiltonos_otel.phi.band import Band, classify, pressure
from wiltonos_otel.phi.sample import FUTURE_TOLERANCE_MS, Refusal, Sample
from wiltonos_otel.phi.slope import SlidingSlope, SlidingSlopes
from wiltonos_otel.phi.snapshot import LoopSnapshot, Snapshot
from wiltonos_otel.phi.sustained import SUSTAINED_GOOD_WINDOWS, SustainedGood
from wiltonos_otel.phi.tracker import Tracker

__all__ = [
    "FUTURE_TOLERANCE_MS",
    "SUSTAINED_GOOD_WINDOWS",
    "Band",
    "LoopSnapshot",
    "Refusal",
    "Sample",
    "SlidingSlope",
    "SlidingSlopes",
    "Snapshot",
    "SustainedGood",
    "Tracker",
    "classify",
    "pressure",
]
