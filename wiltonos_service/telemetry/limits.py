"""How many series a reader may export."""

import inspect
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import ObservableCounter, ObservableGauge

# observable instruments yield what their source knows, and the source bounds that
MAX_SERIES = 20_000


def cardinality_limits(reader: Callable[..., object]) -> dict[str, Any]:
    """The arguments that let a reader export ``MAX_SERIES`` of each observable instrument.

    From 1.45 on the SDK folds everything beyond 2,000 into one point that means nothing; before,
    it has neither the limit nor the parameter.
    """
    if "cardinality_limits" not in inspect.signature(reader).parameters:
        return {}
    return {"cardinality_limits": dict.fromkeys((ObservableGauge, ObservableCounter), MAX_SERIES)}
