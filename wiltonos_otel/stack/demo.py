"""A demo's diary: a few doses that nobody took, in a database of their own."""

import json

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.probe import post

_NOTES = "simulated by bootstrap --demo"
_DOSES = (
    {"compound": "resveratrol", "mg": 500, "notes": _NOTES},
    {"compound": "vitamin-d3", "amount": 2000, "unit": "IU", "notes": _NOTES},
)


def record_doses(pipe: Pipe) -> None:
    """Record each dose once, however often the demo is started.

    Raises:
        WiltonosError: the diary does not take them.
    """
    for number, dose in enumerate(_DOSES):
        answer = post(
            pipe.url("longevity", "/longevity/dose"),
            json.dumps(dose).encode(),
            token=pipe.token("longevity"),
            headers={"Idempotency-Key": f"demo-{number}"},
        )
        if not answer.ok:
            raise WiltonosError(f"the diary refused a simulated dose: {answer.text}")
