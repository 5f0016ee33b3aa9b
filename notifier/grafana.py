"""What Grafana's version "1" says beyond Alertmanager's, as annotations that messages use. Pure.

Grafana documentation, "Configure the webhook notifier": ``dashboardURL``, ``panelURL``,
``silenceURL``, ``values`` (by the letter of the query, null without data), ``valueString``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

# where its alerts can be silenced: no Alertmanager that we know of has them
SILENCE = "__silenceUrl__"
# never beyond the next one, so that a hostile text is read once
_VALUE = re.compile(r"var='([^']{1,60})'(?:(?!var=')[^\]])*?value=([-+.\w]{1,40})")
_MOST_VALUES = 4


def annotations(wire: Mapping[str, Any]) -> dict[str, str]:
    """The annotations to add to an alert; its own ones are to go before them.

    Args:
        wire: the extra fields of the alert as they came, of any type.
    """
    found = {
        "dashboard_url": _text(wire.get("panelURL")) or _text(wire.get("dashboardURL")),
        SILENCE: _text(wire.get("silenceURL")),
        "value": _measured(wire),
    }
    return {name: text for name, text in found.items() if text}


def _measured(wire: Mapping[str, Any]) -> str:
    """The values of the queries; conditions, which are 0 or 1, only where there is nothing else."""
    values = dict(_values(wire))
    telling = {name: value for name, value in values.items() if value not in (0.0, 1.0)} or values
    shown = [(name, f"{value:.6g}") for name, value in sorted(telling.items())[:_MOST_VALUES]]
    if len(shown) == 1:
        return shown[0][1]
    return ", ".join(f"{name}={value}" for name, value in shown)


def _values(wire: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    given = wire.get("values")
    pairs = given.items() if isinstance(given, Mapping) else _VALUE.findall(_said(wire))
    for name, value in pairs:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(number):
            yield str(name), number


def _said(wire: Mapping[str, Any]) -> str:
    return _text(wire.get("valueString"))[:4_000]


def _text(value: Any) -> str:
    return value.replace("\0", "") if isinstance(value, str) else ""
