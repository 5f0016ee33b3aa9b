"""Where Φ stands: in the band or beside it, and how far a loop is from its set-point."""

from enum import StrEnum

from wiltonos_otel.policy import Policy

_DECIMALS = 15


class Band(StrEnum):
    """Where Φ stands relative to the band."""

    BELOW = "below"
    IN = "in"
    ABOVE = "above"


def classify(phi: float, policy: Policy) -> Band:
    """Where Φ stands; both edges of the band belong to it.

    The comparison is that of the alert rule, ``phi > band_high or phi < band_low``, on the same
    literals, so that page and alert never disagree.
    """
    if phi > policy.band_high:
        return Band.ABOVE
    if phi < policy.band_low:
        return Band.BELOW
    return Band.IN


def pressure(phi: float, phi_star: float) -> float:
    """The pressure on a loop: |Φ - Φ★|, a share in [0, 1], to 15 decimals.

    Rounded, because 0.75 - 0.7 in binary is more than 0.05 and would exceed a limit of 0.05.
    """
    return round(abs(phi - phi_star), _DECIMALS)
