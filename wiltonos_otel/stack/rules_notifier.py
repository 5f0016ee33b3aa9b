"""Rules about the notifier: what waits, fails, comes late, comes twice, or is turned away."""

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import Alert, Severity, fresh

# the notifier's instruments as Prometheus shows them
BACKLOG_AGE = "wiltonos_notifier_backlog_oldest_age_seconds"
DEAD_LETTERS = "wiltonos_notifier_dead_letters"
CHANNEL_STOPPED = "wiltonos_notifier_channel_stopped"
LATENCY = "wiltonos_notifier_alert_latency_seconds"
ATTEMPTS = "wiltonos_notifier_attempts_total"
DUPLICATES = "wiltonos_notifier_duplicates_possible_total"
RATE_LIMIT_WAIT = "wiltonos_notifier_rate_limit_wait_seconds_total"
REFUSED = "wiltonos_notifier_refused_total"
CONFIG_REFUSED = "wiltonos_notifier_config_refused"
TEMPLATE_FAILURES = "wiltonos_notifier_template_failures_total"
# whoever edits the file has so long to mend it
CONFIG_SECONDS = 300
BACKLOG_AGE_LIMIT_SECONDS = 120
# a bound of the histogram
LATE_SECONDS = 60
LATE_WINDOW = "10m"
# pushed, the bound is written "60"; scraped, "60.0"
_WITHIN = f'le=~"{LATE_SECONDS}(\\\\.0)?"'
FEWEST_ATTEMPTS = 5
FEW_DUPLICATES = 3


def alerts(policy: Policy) -> tuple[Alert, ...]:
    """The rules about the notifier."""
    return (
        Alert(
            name="WiltonosNotifierBacklog",
            expr=f"{fresh(BACKLOG_AGE, policy.fresh_seconds)} > {BACKLOG_AGE_LIMIT_SECONDS}",
            severity=Severity.WARNING,
            keep_seconds=60,
            summary="Messages have been waiting for {{ $value | humanizeDuration }}",
            description=(
                "The message that the notifier on {{ $labels.instance }} has kept longest has been "
                "waiting for {{ $value | humanizeDuration }}: a chat is slow, limits us or is away."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosNotifierDeadLetters",
            expr=f"{fresh(DEAD_LETTERS, policy.fresh_seconds)} > 0",
            severity=Severity.WARNING,
            summary="Messages could not be delivered: {{ $value }}",
            description=(
                "{{ $value }} dead letters of kind {{ $labels.kind }} wait for a person: see them "
                "with `wt notifier dead-letters list`, then replay or drop them."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosNotifierDestinationDead",
            expr=f"{fresh(CHANNEL_STOPPED, policy.fresh_seconds)} == 1",
            severity=Severity.CRITICAL,
            summary="Channel {{ $labels.channel }} takes no messages",
            description=(
                "The chat answers channel {{ $labels.channel }} that its address or token is not "
                "valid. Nothing is sent there until its secret file changes."
            ),
            panel=PanelId.PIPELINE,
        ),
        _late(),
        _attempts_failing(),
        _rate_limited(),
        _duplicates(),
        _refusing(),
        _configuration_refused(policy),
        _template_failing(),
    )


def _late() -> Alert:
    """A latency that was beyond the bound, counted from the alert's own start."""
    within = f"ignoring (le) {LATENCY}_bucket{{{_WITHIN}}}"
    grown = (
        f"increase({LATENCY}_count[{LATE_WINDOW}])\n"
        f"  - ignoring (le) increase({LATENCY}_bucket{{{_WITHIN}}}[{LATE_WINDOW}])"
    )
    return Alert(
        name="WiltonosNotifierLate",
        expr=(
            f"sum by (job, instance, channel) (\n"
            f"  {grown} > 0.5\n"
            # a histogram appears with its first value, of which increase() knows nothing
            f"  or (\n"
            f"    {LATENCY}_count - {within}\n"
            f"    unless {LATENCY}_count offset {LATE_WINDOW}\n"
            f"  ) > 0\n"
            f")"
        ),
        severity=Severity.WARNING,
        summary="Alerts reach channel {{ $labels.channel }} late",
        description=(
            '{{ $value | printf "%.0f" }} alerts were told of on {{ $labels.channel }} more than '
            f"{LATE_SECONDS} s after they began, within {LATE_WINDOW}: Prometheus, Alertmanager, "
            "the notifier or the chat holds them up."
        ),
        panel=PanelId.PIPELINE,
    )


def _attempts_failing() -> Alert:
    """More than half of the requests fail; what the chat limits is told of by another rule."""
    by = "sum by (job, instance, channel)"
    failed = f'{by} (increase({ATTEMPTS}{{outcome!~"delivered|rate_limited"}}[5m]))'
    every = f"{by} (increase({ATTEMPTS}[5m]))"
    return Alert(
        name="WiltonosNotifierAttemptsFailing",
        expr=f"{failed} / ({every} >= {FEWEST_ATTEMPTS}) > 0.5",
        severity=Severity.WARNING,
        keep_seconds=60,
        summary="{{ $value | humanizePercentage }} of the requests of {{ $labels.channel }} fail",
        description=(
            "Of the requests that the notifier sent for channel {{ $labels.channel }} within five "
            "minutes, {{ $value | humanizePercentage }} did not deliver a message. They are tried "
            "again; nothing is lost."
        ),
        panel=PanelId.PIPELINE,
    )


def _rate_limited() -> Alert:
    return Alert(
        name="WiltonosNotifierRateLimited",
        expr=f"sum by (job, instance, channel) (rate({RATE_LIMIT_WAIT}[5m])) > 1",
        severity=Severity.WARNING,
        keep_seconds=60,
        summary="Channel {{ $labels.channel }} has more to say than its chat allows",
        description=(
            'At any moment of the last five minutes {{ $value | printf "%.1f" }} messages of '
            "channel {{ $labels.channel }} waited for its rate limit; critical ones go first."
        ),
        panel=PanelId.PIPELINE,
    )


def _duplicates() -> Alert:
    """One in doubt belongs to a crash; several to a chat that answers nothing."""
    return Alert(
        name="WiltonosNotifierDuplicates",
        expr=f"sum by (job, instance, channel) (increase({DUPLICATES}[10m])) > {FEW_DUPLICATES}",
        severity=Severity.WARNING,
        summary="Messages may stand twice in channel {{ $labels.channel }}",
        description=(
            '{{ $value | printf "%.0f" }} messages were sent again to {{ $labels.channel }} within '
            "ten minutes, because the chat did not say whether the first sending arrived."
        ),
        panel=PanelId.PIPELINE,
    )


def _refusing() -> Alert:
    """As long as it lasts, alerts reach nobody."""
    return Alert(
        name="WiltonosNotifierRefusing",
        expr=(
            "sum by (job, instance, reason) (\n"
            f'  increase({REFUSED}{{reason=~"busy|database|unauthorized"}}[1m])\n'
            ") > 0"
        ),
        severity=Severity.CRITICAL,
        keep_seconds=60,
        summary="The notifier turns webhooks away: {{ $labels.reason }}",
        description=(
            'The notifier on {{ $labels.instance }} refused {{ $value | printf "%.0f" }} webhooks '
            "within a minute ({{ $labels.reason }}). Alertmanager keeps trying; until it succeeds, "
            "these alerts reach nobody."
        ),
        panel=PanelId.PIPELINE,
    )


def _configuration_refused(policy: Policy) -> Alert:
    """Not at once: somebody may be at it."""
    return Alert(
        name="WiltonosNotifierConfigRefused",
        expr=f"{fresh(CONFIG_REFUSED, policy.fresh_seconds)} == 1",
        severity=Severity.WARNING,
        hold_seconds=CONFIG_SECONDS,
        summary="The notifier on {{ $labels.instance }} refused its new configuration",
        description=(
            "The newest configuration has a mistake, and the one before it is in force: "
            "`wt notifier check-config` names the file, the key and the fix. A restart would fail."
        ),
        panel=PanelId.PIPELINE,
    )


def _template_failing() -> Alert:
    return Alert(
        name="WiltonosNotifierTemplateFailing",
        expr=f"sum by (job, instance, channel) (increase({TEMPLATE_FAILURES}[10m])) > 0",
        severity=Severity.WARNING,
        summary="The template of channel {{ $labels.channel }} fails",
        description=(
            "Messages of channel {{ $labels.channel }} are sent in the default form, because its "
            "template fails; each of them says why, and so does the inbox."
        ),
        panel=PanelId.PIPELINE,
    )
