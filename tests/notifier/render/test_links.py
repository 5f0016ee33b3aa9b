"""Where a message leads."""

from dataclasses import replace
from typing import Any

import pytest

from notifier.incident.model import Phase
from notifier.render import RenderContext
from notifier.render.card import card
from notifier.render.links import MAX_URL, safe_url


def urls(incident: Any, context: RenderContext) -> dict[str, str]:
    """The links of a card by name."""
    return {link.name: link.url for link in card(incident, context).links}


def test_the_dashboard_opens_at_the_incident(incident: Any, context: RenderContext) -> None:
    """A quarter of an hour before it began, until now or shortly after its end."""
    found = urls(incident(), context)["dashboard"]
    assert found == (
        "http://127.0.0.1:3000/d/wiltonos-coherence?viewPanel=3"
        "&from=1795401930000&to=now&var-instance=ship-1"
    )
    over = incident(phase=Phase.RESOLVED, resolved_at=context.now)
    assert "&to=1795403370000&" in urls(over, context)["dashboard"]


def test_the_silence_form_is_filled_in_while_it_fires(
    incident: Any, context: RenderContext
) -> None:
    """Alertmanager's own form, with the exact matchers; nothing to silence after the end."""
    found = urls(incident(), context)["silence"]
    assert found.startswith("http://127.0.0.1:9093/#/silences/new?filter=%7B")
    assert "alertname%3D%22WiltonosPhiOutOfBand%22" in found
    over = incident(phase=Phase.RESOLVED, resolved_at=context.now, alerts=())
    assert "silence" not in urls(over, context)


def test_the_query_opens_where_the_reader_can_reach_it(
    incident: Any, context: RenderContext
) -> None:
    """Prometheus names itself by an inner host; the configured address replaces it."""
    expression = "/graph?g0.expr=wiltonos_quantum_coherence_ratio"
    assert urls(incident(), context)["query"] == f"http://127.0.0.1:9090{expression}"
    unknown = replace(context, prometheus_url="")
    assert urls(incident(), unknown)["query"] == f"http://prometheus:9090{expression}"


def test_without_addresses_there_are_no_links(incident: Any, context: RenderContext) -> None:
    """Only what the alert itself names is left."""
    bare = RenderContext(now=context.now)
    assert set(urls(incident(external_url=""), bare)) == {"runbook", "query"}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//host/path",
        "http://",
        "http://[::1",
        "",
        "http://x/" + "y" * MAX_URL,
    ],
)
def test_what_is_no_web_address_is_left_out(url: str) -> None:
    """Annotations are hostile, addresses among them."""
    assert safe_url(url) == ""


def test_an_address_cannot_end_its_markup() -> None:
    """Neither ``<url|text>`` nor ``[text](<url>)`` can be broken out of."""
    found = safe_url("https://x.y/a|b>c)d]e`f g\u202eh\ni")
    assert not set(found) & set("|<>()[]` \n\u202e")
