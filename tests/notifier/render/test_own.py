"""What the notifier says about itself is said in the language of the channel that shows it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notifier.alerts import AlertStatus
from notifier.incident import Incident
from notifier.incident.planner import Planner
from notifier.render import Chat, RenderContext, render
from notifier.watch.own import OwnAlert, own_notification

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {
    OwnAlert.ALERTING_DOWN: {"seconds": "180"},
    OwnAlert.CHANNEL_DEAD: {"channel": "ops", "reason": "gone {x}"},
    OwnAlert.NOTIFICATION_REFUSED: {"reason": "not JSON"},
}
SAID = {
    OwnAlert.ALERTING_DOWN: ("Alerting is down", "O sistema de alertas está parado"),
    OwnAlert.CHANNEL_DEAD: ("Channel ops cannot be reached", "O canal ops está inacessível"),
    OwnAlert.NOTIFICATION_REFUSED: ("A notification was refused", "Uma notificação foi recusada"),
}


def opened(name: OwnAlert, language: str) -> Incident:
    """The incident that the notifier opens, with ``language`` as its own."""
    told = own_notification(name, AlertStatus.FIRING, NOW, language, **VALUES[name])
    incident = Planner().plan(None, told, NOW).step.incident
    assert incident is not None
    return incident


@pytest.mark.parametrize("name", list(OwnAlert))
@pytest.mark.parametrize("opened_in", ["en", "pt-BR"])
def test_each_channel_reads_it_in_its_own_language(
    name: OwnAlert, opened_in: str, context: RenderContext
) -> None:
    """Whatever the notifier's own language is; no chat shows what other languages need."""
    incident = opened(name, opened_in)
    for language, title in zip(("en", "pt-BR"), SAID[name], strict=True):
        for chat in Chat:
            shown = str(render(chat, incident, replace(context, language=language)).payload)
            assert title in shown
            assert "__own_" not in shown
            if "reason" in VALUES[name]:
                assert VALUES[name]["reason"] in shown


def test_one_of_an_older_version_keeps_its_words(context: RenderContext) -> None:
    """It has no values that another language could use."""
    incident = opened(OwnAlert.ALERTING_DOWN, "en")
    (alert,) = incident.alerts
    old = {k: v for k, v in alert.annotations.items() if not k.startswith("__")}
    incident = replace(incident, alerts=(replace(alert, annotations=old),))
    shown = render(Chat.SLACK, incident, replace(context, language="pt-BR")).payload
    assert "Alerting is down" in str(shown)
