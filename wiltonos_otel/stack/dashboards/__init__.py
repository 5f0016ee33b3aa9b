"""The Grafana dashboards, generated from the catalogue and the policy.

Needs ``grafana-foundation-sdk``, pinned: the unpinned name resolves to a line of packages for
another Grafana.
"""

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.dashboards import coherence, longevity
from wiltonos_otel.stack.dashboards.model import to_json
from wiltonos_otel.stack.panels import COHERENCE_DASHBOARD, LONGEVITY_DASHBOARD

__all__ = ["DIRECTORY", "render"]

DIRECTORY = "grafana/dashboards"


def render(policy: Policy) -> dict[str, str]:
    """Both dashboards as JSON, by path relative to the root; the same text for the same policy."""
    return {
        f"{DIRECTORY}/{COHERENCE_DASHBOARD}.json": to_json(coherence.build(policy)),
        f"{DIRECTORY}/{LONGEVITY_DASHBOARD}.json": to_json(longevity.build(policy)),
    }
