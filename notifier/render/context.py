"""What a message depends on besides its incident. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RenderContext:
    """The surroundings of a channel at the moment of rendering.

    Attributes:
        now: aware UTC.
        public_url: where the notifier's own page is; "" leaves its links out, as do the others.
        language: of the fixed words, for example ``en`` or ``pt-BR``.
        mentions: severity → what to mention, in the chat's own form; the only source of pings.
        doubtful: monitoring was dead when the incident resolved, so the end may be no end.
        actions: what a reader may do about the incident → where; None where nothing is offered
            by us, so that the link leads to Alertmanager.
        buttons: whether the actions are buttons, where the chat has them, and not links.
    """

    now: datetime
    public_url: str = ""
    alertmanager_url: str = ""
    prometheus_url: str = ""
    grafana_url: str = ""
    language: str = "en"
    mentions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubtful: bool = False
    actions: Mapping[str, str] | None = None
    buttons: bool = False
