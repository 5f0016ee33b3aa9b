"""Dashboards and panels that alerts link to: the numbers that rules and dashboards share."""

from enum import IntEnum

# uids of the provisioned dashboards (at most 40 characters of [a-zA-Z0-9_-])
COHERENCE_DASHBOARD = "wiltonos-coherence"
LONGEVITY_DASHBOARD = "wiltonos-longevity"


class PanelId(IntEnum):
    """Panels of the coherence dashboard; a number, once given, stays."""

    PHI_NOW = 1
    DERIVATIVES = 2
    HISTORY = 3
    LOOP_PRESSURE = 4
    SUSTAINED_GOOD = 5
    PIPELINE = 6
    COLLAPSES = 7
    LOOP_COHERENCE = 8
    ALERTS = 9
    SOURCES = 10


class LongevityPanelId(IntEnum):
    """Panels of the longevity dashboard; a number, once given, stays."""

    COMPOUNDS = 1
    DOSE_AMOUNT = 2
    DOSES_AGAINST_PHI = 3
    DOSES = 4
    ABOUT = 5
