"""What people ask for: silence, acknowledge, undo; done in Alertmanager and shown at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import structlog

from notifier.clock import Clock
from notifier.grafana import SILENCE
from notifier.incident import Incident, Phase, Quiet, QuietKind, Reason
from notifier.incident.planner import OWN_RECEIVER
from notifier.render.text import one_line
from notifier.silences.alertmanager import Alertmanager
from notifier.silences.following import Note
from notifier.silences.links import LINK_HOURS, PATH, Action, Signer
from notifier.silences.model import NO_COMMENT, Matcher, Silence, SilenceError, matchers_of
from notifier.silences.store import SilenceStore

log = structlog.get_logger(__name__)

MOST_NAME = 100
MOST_COMMENT = 500
# a year: longer is a rule that should go, not a silence
MOST_HOURS = 8760.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, why, and for how long.

    Attributes:
        by: a name, as given.
        hours: None for the configured time.
    """

    by: str
    comment: str = ""
    hours: float | None = None

    def __post_init__(self) -> None:
        if not one_line(self.by):
            raise SilenceError.of("sorry.nameless")
        if len(self.by) > MOST_NAME or len(self.comment) > MOST_COMMENT:
            raise SilenceError.of("sorry.long", name=MOST_NAME, reason=MOST_COMMENT)
        if self.hours is not None and not 0 < self.hours <= MOST_HOURS:
            raise SilenceError.of("sorry.hours", most=f"{MOST_HOURS:g}")


def can_silence(incident: Incident) -> bool:
    """Whether Alertmanager knows the incident and it fires.

    It knows neither our own ones nor what Grafana evaluates itself.
    """
    if incident.phase is not Phase.FIRING or incident.receiver == OWN_RECEIVER:
        return False
    return not any(SILENCE in alert.annotations for alert in incident.firing)


@dataclass
class Desk:
    """Takes what people ask for.

    Attributes:
        alertmanager: where the silences are.
        store: what is remembered of them.
        clock: the time.
        silence_hours: of a silence for which no time was given.
        ack_minutes: of an acknowledgement, until it is renewed.
        changed: called when a message has to change.
    """

    alertmanager: Alertmanager
    store: SilenceStore
    clock: Clock
    silence_hours: float
    ack_minutes: float
    changed: Callable[[], None] = field(default=lambda: None)

    async def act(self, action: Action, incident_id: str, ask: Ask) -> Incident:
        """Do what is asked; returns the incident as it is then.

        Raises:
            SilenceError: it cannot be done.
            StoreError: the database cannot keep it.
        """
        incident = await self.store.incident(incident_id)
        if incident is None:
            raise SilenceError.of("sorry.removed")
        if action is Action.UNDO:
            return await self._undo(incident, ask)
        return await self._quieten(incident, action, ask)

    async def silence(self, matchers: Sequence[Matcher], ask: Ask) -> str:
        """Make a silence by its matchers; returns its id."""
        now = self.clock.now()
        until = now + timedelta(hours=ask.hours or self.silence_hours)
        return await self.alertmanager.create(self._silence(tuple(matchers), ask, now, until))

    async def end(self, silence_id: str) -> None:
        """End any silence; what it held back shows that at the next look."""
        if not await self.alertmanager.expire(silence_id):
            raise SilenceError("there is no such silence; it may have ended by itself")
        await self.store.forget(silence_id)

    async def _quieten(self, incident: Incident, action: Action, ask: Ask) -> Incident:
        if not can_silence(incident):
            raise SilenceError.of("sorry.over")
        now = self.clock.now()
        kind = _KINDS[action]
        until = now + self._length(kind, ask)
        wanted = self._silence(matchers_of(incident), ask, now, until)
        silence_id = await self.alertmanager.create(wanted)
        await self.store.note(Note(silence_id, incident.id, kind))
        before = incident.quiet
        by, comment = wanted.created_by, one_line(ask.comment)
        quiet = Quiet(kind, by, until, comment, silence_id, ours=True, since=now)
        shown = await self._show(incident, quiet, _REASONS[kind])
        if before and before.ours and before.silence_id != silence_id:
            await self.alertmanager.expire(before.silence_id)
            await self.store.forget(before.silence_id)
        log.info("silenced", incident=incident.id, kind=kind.value, by=ask.by, silence=silence_id)
        return shown

    async def _undo(self, incident: Incident, ask: Ask) -> Incident:
        quiet = incident.quiet
        if quiet is None or quiet.resolved_unseen:
            raise SilenceError.of("sorry.heard")
        if not quiet.ours:
            raise SilenceError.of("sorry.elsewhere")
        await self.alertmanager.expire(quiet.silence_id)
        await self.store.forget(quiet.silence_id)
        log.info("silence undone", incident=incident.id, by=ask.by, silence=quiet.silence_id)
        return await self._show(incident, None, Reason.SILENCE_ENDED)

    async def _show(self, incident: Incident, quiet: Quiet | None, reason: Reason) -> Incident:
        def change(newest: Incident) -> Incident | None:
            return replace(newest, quiet=quiet) if newest.phase is Phase.FIRING else None

        now = self.clock.now()
        after = await self.store.amend(incident.id, change, reason, now)
        self.changed()
        return after or incident

    def _length(self, kind: QuietKind, ask: Ask) -> timedelta:
        if kind is QuietKind.ACKNOWLEDGED:
            return timedelta(minutes=self.ack_minutes)
        return timedelta(hours=ask.hours or self.silence_hours)

    @staticmethod
    def _silence(
        matchers: tuple[Matcher, ...],
        ask: Ask,
        now: datetime,
        until: datetime,
    ) -> Silence:
        comment = one_line(ask.comment) or NO_COMMENT
        return Silence("", matchers, now, until, one_line(ask.by), comment)


_KINDS = {Action.ACKNOWLEDGE: QuietKind.ACKNOWLEDGED, Action.SILENCE: QuietKind.SILENCED}
_REASONS = {
    QuietKind.ACKNOWLEDGED: Reason.ACKNOWLEDGED,
    QuietKind.SILENCED: Reason.SILENCED,
}


@dataclass(frozen=True)
class Offers:
    """The links of a message: what its readers may do about the incident.

    Attributes:
        signer: makes the tokens.
        public_url: where the notifier's pages are.
    """

    signer: Signer
    public_url: str

    def __call__(self, incident: Incident, now: datetime) -> Mapping[str, str]:
        """Action → address; empty where nothing can be done."""
        expires = _whole_hour(now + timedelta(hours=LINK_HOURS))
        return {action.value: self._url(action, incident, expires) for action in offered(incident)}

    def _url(self, action: Action, incident: Incident, expires: datetime) -> str:
        token = self.signer.token(action, incident.id, incident.revision, expires)
        return f"{self.public_url.rstrip('/')}{PATH}{token}"


def offered(incident: Incident) -> tuple[Action, ...]:
    """What may be done about an incident now."""
    if not can_silence(incident):
        return ()
    if incident.quiet is None:
        return (Action.ACKNOWLEDGE, Action.SILENCE)
    return (Action.UNDO,) if incident.quiet.ours else ()


def page_offers(public_url: str) -> Callable[[Incident, datetime], Mapping[str, str]]:
    """The same names without the right: a page that anybody on this machine may read."""

    def offers(incident: Incident, _now: datetime) -> Mapping[str, str]:
        place = f"{public_url.rstrip('/')}/#{quote(incident.id)}"
        return {action.value: place for action in offered(incident)}

    return offers


def _whole_hour(moment: datetime) -> datetime:
    """So that rendering one revision twice makes one message."""
    return moment.replace(minute=0, second=0, microsecond=0)
