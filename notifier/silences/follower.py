"""Follows Alertmanager's lists, because it tells nothing of what a silence holds back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson
import structlog

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.clock import Clock, first_of
from notifier.errors import StoreError
from notifier.incident import Incident, IncidentAlert, Quiet, QuietKind, Reason
from notifier.incident.planner import OWN_RECEIVER
from notifier.silences.alertmanager import Alertmanager
from notifier.silences.ends import ReadEnd, begun_again, still_kept
from notifier.silences.following import (
    ABSENT_SECONDS,
    STARTED_SECONDS,
    UNTOLD_SECONDS,
    Lists,
    Note,
    absent,
    differs,
    long_absent,
    quiet_of,
)
from notifier.silences.model import ListedAlert, Silence, SilenceError, SilenceState
from notifier.silences.store import SilenceStore
from notifier.store.base import Ingest
from wiltonos_service.logs import ChangeLog

log = structlog.get_logger(__name__)

POLL_SECONDS = 10.0
SLOWEST_SECONDS = 60.0


@dataclass
class Follower:
    """Keeps what the messages say of silences true.

    Attributes:
        ack_minutes: for how long an acknowledgement is renewed at a time.
        accept: commits a notification and wakes the workers.
        changed: called when a message has to change.
        absent_seconds: what was silenced and Alertmanager has not listed for so long has resolved.
        untold_seconds: the same of what was not silenced, whose end it usually tells.
        started_seconds: nothing is read from an absence before it has been up for so long.
    """

    alertmanager: Alertmanager
    store: SilenceStore
    clock: Clock
    ack_minutes: float
    accept: Callable[[Ingest], Awaitable[None]]
    changed: Callable[[], None]
    poll_seconds: float = POLL_SECONDS
    absent_seconds: float = ABSENT_SECONDS
    untold_seconds: float = UNTOLD_SECONDS
    started_seconds: float = STARTED_SECONDS
    _absent: dict[str, dict[str, datetime]] = field(default_factory=dict)
    # what fires and has been listed: all else may be another Alertmanager's, or Grafana's
    _listed: frozenset[str] = frozenset()
    _changes: ChangeLog = field(default_factory=ChangeLog)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until told to stop; slower while Alertmanager is away."""
        wait = self.poll_seconds
        while not stopping.is_set():
            try:
                await self.look()
                wait = self.poll_seconds
                self._say("")
            except (SilenceError, StoreError) as error:
                wait = min(wait * 2, SLOWEST_SECONDS)
                self._say(str(error))
            except Exception:
                # a defect must not end it: acknowledgements would run out without a word
                log.exception("silences not followed")
                wait = min(wait * 2, SLOWEST_SECONDS)
            await first_of(stopping.wait(), self.clock.sleep(wait))

    async def look(self) -> None:
        """Compare once; Alertmanager is asked while something fires or may do so unheard.

        Raises:
            SilenceError: Alertmanager does not answer.
            StoreError: the database does not.
        """
        now = self.clock.now()
        await self.store.sweep(now)
        firing = [each for each in await self.store.firing() if each.receiver != OWN_RECEIVER]
        notes = await self.store.notes()
        self._absent = {each.id: self._absent.get(each.id, {}) for each in firing}
        ends = await self.store.read_ends()
        if not (firing or notes or ends):
            return
        # asked after the incidents were read: what a person does meanwhile moves their revision
        lists = await self._lists(notes)
        known = self._listed.union(lists.alerts)
        self._listed = known.intersection(a.fingerprint for each in firing for a in each.firing)
        if ends:
            await self._hear(ends, firing, lists, now)
        for incident in firing:
            await self._follow(incident, lists, now)
        await self._tend(firing, lists, now)

    async def _lists(self, notes: Mapping[str, Note]) -> Lists:
        alerts = await self.alertmanager.alerts()
        silences: Sequence[Silence] = ()
        if notes or any(alert.silenced_by for alert in alerts.values()):
            silences = await self.alertmanager.silences()
        active = {each.id: each for each in silences if each.state is not SilenceState.EXPIRED}
        return Lists(alerts, active, notes)

    async def _follow(self, incident: Incident, lists: Lists, now: datetime) -> None:
        quiet = quiet_of(incident, lists, now)
        if differs(quiet, incident.quiet):
            incident = await self._amend(incident, quiet, now)
        gone = self._gone(incident, lists, now)
        if gone and await self._trustworthy(now):
            await self._resolve(incident, gone, now)

    async def _amend(self, incident: Incident, quiet: Quiet | None, now: datetime) -> Incident:
        """The incident as it is then; unchanged when something else has come meanwhile."""
        seen = incident.revision

        def change(newest: Incident) -> Incident | None:
            return replace(newest, quiet=quiet) if newest.revision == seen else None

        reason = _reason(incident.quiet, quiet)
        after = await self.store.amend(incident.id, change, reason, now)
        if after is not None:
            self.changed()
        return after or incident

    def _gone(self, incident: Incident, lists: Lists, now: datetime) -> frozenset[str]:
        """Since when what is not listed has not been, and what of it has been so for long."""
        known = self._absent.get(incident.id, {})
        missing = absent(incident, lists)
        self._absent[incident.id] = {each: known.get(each, now) for each in missing}
        if incident.quiet:
            return long_absent(self._absent[incident.id], now, self.absent_seconds)
        return self._listed & long_absent(self._absent[incident.id], now, self.untold_seconds)

    async def _trustworthy(self, now: datetime) -> bool:
        """An Alertmanager that has just started lists nothing, and yet nothing has resolved."""
        up = now - await self.alertmanager.started_at()
        return up >= timedelta(seconds=self.started_seconds)

    async def _resolve(self, incident: Incident, gone: frozenset[str], now: datetime) -> None:
        """Take the end in as if Alertmanager had told of it, and mark it as read."""
        since = self._absent[incident.id]
        ends = [alert for alert in incident.firing if alert.fingerprint in gone]
        read = [ReadEnd(incident.id, incident.receiver, each.fingerprint, now) for each in ends]
        await self.store.keep_ends((*await self.store.read_ends(), *read))
        await self._take(incident, [_ended(each, since[each.fingerprint]) for each in ends], now)
        log.info("resolved without a word of Alertmanager", incident=incident.id, alerts=len(ends))
        if await self.store.amend(incident.id, _marked, Reason.SILENCE_CHANGED, now):
            self.changed()

    async def _hear(
        self, ends: tuple[ReadEnd, ...], firing: Sequence[Incident], lists: Lists, now: datetime
    ) -> None:
        """Take in what fires again after an end that was read: Alertmanager need not tell it."""
        kept = still_kept(ends, firing, now)
        for incident_id, fingerprints in begun_again(kept, lists.alerts).items():
            incident = await self.store.incident(incident_id)
            if incident is None:
                kept = tuple(each for each in kept if each.incident_id != incident_id)
                continue
            known = [alert for alert in incident.alerts if alert.fingerprint in fingerprints]
            begun = [_begun(each, lists.alerts[each.fingerprint]) for each in known]
            await self._take(incident, begun, now)
        if kept != ends:
            await self.store.keep_ends(kept)

    async def _take(
        self, incident: Incident, alerts: Sequence[tuple[str, Alert]], now: datetime
    ) -> None:
        for key in dict.fromkeys(key for key, _ in alerts):
            told = _notification(incident, key, [alert for of, alert in alerts if of == key])
            await self.accept(Ingest(told, orjson.dumps(told), now))

    async def _tend(self, firing: Sequence[Incident], lists: Lists, now: datetime) -> None:
        """Renew the acknowledgements of what still fires, and let go of the others."""
        open_ids = {each.id for each in firing}
        length = timedelta(minutes=self.ack_minutes)
        for note in lists.notes.values():
            silence = lists.silences.get(note.id)
            if silence is None:
                await self.store.forget(note.id)
            elif note.kind is not QuietKind.ACKNOWLEDGED:
                continue
            elif note.incident_id not in open_ids and not await self._fires(note.incident_id):
                # what fires next is another thing, and must ring
                await self.alertmanager.expire(note.id)
                await self.store.forget(note.id)
            elif silence.ends_at - now < length / 2:
                await self._renew(note, replace(silence, ends_at=now + length))

    async def _fires(self, incident_id: str) -> bool:
        """Whether one fires that is not among the newest."""
        incident = await self.store.incident(incident_id)
        return incident is not None and bool(incident.firing)

    async def _renew(self, note: Note, silence: Silence) -> None:
        silence_id = await self.alertmanager.create(silence)
        if silence_id != note.id:
            await self.store.note(replace(note, id=silence_id))
            await self.store.forget(note.id)

    def _say(self, problem: str) -> None:
        if not self._changes.changed("alertmanager", problem):
            return
        if problem:
            log.warning("silences cannot be followed", problem=problem)
        else:
            log.info("silences are followed")


def _marked(newest: Incident) -> Incident | None:
    """An end that was read, not told; None while something of the incident still fires."""
    if newest.quiet is None or newest.firing:
        return None
    return replace(newest, quiet=replace(newest.quiet, resolved_unseen=True))


def _reason(before: Quiet | None, after: Quiet | None) -> Reason:
    if after is None:
        return Reason.SILENCE_ENDED
    if before is not None:
        return Reason.SILENCE_CHANGED
    acknowledged = after.kind is QuietKind.ACKNOWLEDGED
    return Reason.ACKNOWLEDGED if acknowledged else Reason.SILENCED


def _ended(alert: IncidentAlert, at: datetime) -> tuple[str, Alert]:
    """The end of an alert, and the group that it belongs to."""
    # clocks may differ, and an end before the start would be no end
    return alert.group_key, _alert(alert, AlertStatus.RESOLVED, ends_at=max(at, alert.starts_at))


def _begun(alert: IncidentAlert, listed: ListedAlert) -> tuple[str, Alert]:
    """The alert as it fires again, and the group that it belongs to."""
    again = replace(
        alert,
        starts_at=listed.starts_at or alert.starts_at,
        annotations=listed.annotations,
    )
    return alert.group_key, _alert(again, AlertStatus.FIRING)


def _alert(alert: IncidentAlert, status: AlertStatus, ends_at: datetime | None = None) -> Alert:
    return Alert(
        fingerprint=alert.fingerprint,
        status=status,
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.starts_at,
        ends_at=ends_at,
        generator_url=alert.generator_url,
    )


def _notification(incident: Incident, group_key: str, alerts: Sequence[Alert]) -> Notification:
    return Notification(
        receiver=incident.receiver,
        group_key=group_key,
        # by these the incident is found, whether it folds groups or is one
        group_labels=incident.labels,
        alerts=tuple(alerts),
        external_url=incident.external_url,
        truncated_alerts=incident.truncated_alerts,
        reason="read from the list of alerts",
    )
