"""How far the clocks of the pipe are from the one here."""

from collections.abc import Iterator
from dataclasses import dataclass

from wiltonos_otel.stack.finding import Finding, broken, note, ok
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.probe import get

HOP = "clocks"
NOTED_SECONDS = 2.0
# Policy.fresh_seconds by default: rules look no further back than this
BROKEN_SECONDS = 15.0
_PARTS = {
    "otlp_http": ("Collector", "/"),
    "alertmanager": ("Alertmanager", "/-/ready"),
    "notifier": ("notifier", "/-/healthy"),
}


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a clock is ahead of ours.

    Attributes:
        part: whose clock.
        seconds: ahead is positive; what the resolution leaves open counts in its favour.
    """

    part: str
    seconds: float


def between(part: str, shown: float, resolution: float, asked: float, answered: float) -> Skew:
    """The least difference that explains what a clock showed.

    Args:
        part: whose clock.
        shown: Unix second that it showed.
        resolution: by how much it may have been cut off.
        asked: our clock when we asked.
        answered: our clock when the answer was there.
    """
    low, high = shown - answered, shown + resolution - asked
    return Skew(part, low if low > 0 else high if high < 0 else 0.0)


def check_clocks(pipe: Pipe) -> Finding:
    """Every clock that can be seen agrees with the one here."""
    skews = sorted(_measure(pipe), key=lambda skew: -abs(skew.seconds))
    if not skews:
        return note(HOP, "no clock could be seen", "what is down above has to be up first")
    shown = ", ".join(f"{skew.part} {skew.seconds:+.1f} s" for skew in skews)
    detail = f"against the one here: {shown}"
    worst = skews[0]
    if abs(worst.seconds) < NOTED_SECONDS:
        return ok(HOP, detail)
    mend = f"set the clock of {worst.part}, or the one here (chrony, systemd-timesyncd)"
    if abs(worst.seconds) < BROKEN_SECONDS:
        return note(HOP, detail, mend)
    return broken(HOP, detail, f"{mend}: rules look no further back than {BROKEN_SECONDS:g} s")


def _measure(pipe: Pipe) -> Iterator[Skew]:
    for name, (part, path) in _PARTS.items():
        if pipe.has(name):
            asked = pipe.now()
            answer = get(pipe.url(name, path))
            if answer.date is not None:
                yield between(part, answer.date, 1.0, asked, pipe.now())
    if pipe.has("prometheus"):
        asked = pipe.now()
        shown = pipe.query("vector(time())")
        if shown:
            yield between("Prometheus", float(shown[0]["value"][1]), 0.001, asked, pipe.now())
