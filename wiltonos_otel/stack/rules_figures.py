"""Annotations with figures: what a chat message shows as values, and what its chart draws.

The notifier shows the short ones in a fixed order (``value``, ``limit``, ``phi``, ``band``,
``derivative_<window>s``, ``worst_loop``, ``pressure``) and leaves out an empty one, so a series
that is missing costs its figure and nothing else. ``limit`` with one number is drawn as an upper
line, with two as a band; without it, the comparison in ``chart_expr`` is drawn.
"""

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.rules_model import fresh, number

VALUE = '{{ $value | printf "%.3f" }}'
PER_MINUTE = "per minute"


def band(policy: Policy) -> str:
    """The band of Φ in words."""
    return span(policy.band_low, policy.band_high)


def span(low: float, high: float) -> str:
    """Two limits in words, for example ``0.73 to 0.77``."""
    return f"{number(low)} to {number(high)}"


def phi(policy: Policy) -> dict[str, str]:
    """Φ as it is now, and its band."""
    series = catalogue.COHERENCE_RATIO.series
    return {"phi": _now(policy, series), "band": band(policy)}


def motion(policy: Policy) -> dict[str, str]:
    """The slopes of Φ over each window, with their signs."""
    series = catalogue.COHERENCE_DERIVATIVE.series
    return {
        f"derivative_{seconds}s": _now(policy, series, f'window="{seconds}s"', form="%+.3f/min")
        for seconds in policy.windows_seconds
    }


def worst_loop(policy: Policy) -> dict[str, str]:
    """The loop under the highest pressure, by name, and that pressure."""
    query = f"topk(1, {fresh(_own(catalogue.LOOP_PRESSURE.series), policy.fresh_seconds)})"
    return {
        "worst_loop": _first(query, 'label "loop"'),
        "pressure": _first(query, 'value | printf "%.3f"'),
    }


def chart_phi(policy: Policy) -> dict[str, str]:
    """A chart of Φ with its band; the lines of other instances are not drawn."""
    seen = fresh(catalogue.COHERENCE_RATIO.series, policy.fresh_seconds)
    low, high = number(policy.band_low), number(policy.band_high)
    return {"chart_expr": f"{seen} > {high} or {seen} < {low}"}


def _now(policy: Policy, series: str, *matchers: str, form: str = "%.3f") -> str:
    query = fresh(_own(series, *matchers), policy.fresh_seconds)
    return _first(query, f'value | printf "{form}"')


def _own(series: str, *matchers: str) -> str:
    """The series of the alert's own service; both labels are filled in, quoted for PromQL."""
    return f"{series}{{{','.join(('job=%q', 'instance=%q', *matchers))}}}"


def _first(query: str, shown: str) -> str:
    """A template that is empty when the query has no result."""
    return (
        f"{{{{ with printf `{query}` $labels.job $labels.instance | query }}}}"
        f"{{{{ . | first | {shown} }}}}{{{{ end }}}}"
    )
