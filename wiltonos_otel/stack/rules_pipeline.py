"""Rules about the pipe itself: Collector, notifier, attribute overflow, and the Watchdog."""

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import Alert, Group, Severity, fresh

WATCHDOG = "WiltonosWatchdog"
# names of the Collector's own metrics (0.161, service.telemetry), all scraped each 5 s
REFUSED = "otelcol_receiver_refused_metric_points_total"
SEND_FAILED = "otelcol_exporter_send_failed_metric_points_total"
ENQUEUE_FAILED = "otelcol_exporter_enqueue_failed_metric_points_total"
QUEUE_SIZE = "otelcol_exporter_queue_size"
QUEUE_CAPACITY = "otelcol_exporter_queue_capacity"
# the notifier's instruments as Prometheus shows them
BACKLOG_AGE = "wiltonos_notifier_backlog_oldest_age"
DEAD_LETTERS = "wiltonos_notifier_dead_letters"
DESTINATION_UP = "wiltonos_notifier_destination_up"
BACKLOG_AGE_LIMIT_SECONDS = 120

RATE_WINDOW = "1m"
DOWN_HOLD_SECONDS = 30


def groups(policy: Policy) -> tuple[Group, ...]:
    """The rules about the pipe."""
    return (
        Group(
            "wiltonos-pipeline",
            5,
            (
                *_collector(),
                *_notifier(policy),
                _overflow(),
            ),
        ),
        Group("wiltonos-watchdog", 1, (_watchdog(),)),
    )


def _collector() -> tuple[Alert, ...]:
    return (
        Alert(
            name="WiltonosCollectorDown",
            expr='up{job="collector"} == 0',
            severity=Severity.CRITICAL,
            hold_seconds=DOWN_HOLD_SECONDS,
            summary="The Collector at {{ $labels.instance }} does not answer",
            description=(
                "Prometheus has not reached the Collector at {{ $labels.instance }} for "
                f"{DOWN_HOLD_SECONDS} s. Services keep little of what they cannot push."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosCollectorRefusing",
            expr=f"sum by (job, instance) (rate({REFUSED}[{RATE_WINDOW}])) > 0",
            severity=Severity.WARNING,
            keep_seconds=60,
            summary="The Collector refuses data",
            description=(
                'The Collector refuses {{ $value | printf "%.1f" }} points per second, because '
                "its memory limit is reached or its queue is full. Senders try again, for a while."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosCollectorDropping",
            expr=(
                f"sum by (job, instance) (\n"
                f"  rate({SEND_FAILED}[{RATE_WINDOW}]) or rate({ENQUEUE_FAILED}[{RATE_WINDOW}])\n"
                f") > 0"
            ),
            severity=Severity.CRITICAL,
            keep_seconds=60,
            summary="The Collector loses data on its way to Prometheus",
            description=(
                'The Collector gave up {{ $value | printf "%.1f" }} points per second: Prometheus '
                "refused them for good, or the queue had no room. They are lost."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosCollectorQueueFilling",
            expr=(
                f"max by (job, instance) (\n"
                f"  {QUEUE_SIZE} / on (job, instance, exporter, data_type) {QUEUE_CAPACITY}\n"
                f") > 0.5"
            ),
            severity=Severity.WARNING,
            hold_seconds=DOWN_HOLD_SECONDS,
            summary="The Collector's queue is {{ $value | humanizePercentage }} full",
            description=(
                "Prometheus does not take what the Collector sends; the queue on disk is "
                "{{ $value | humanizePercentage }} full. Nothing is lost until it is full."
            ),
            panel=PanelId.PIPELINE,
        ),
    )


def _notifier(policy: Policy) -> tuple[Alert, ...]:
    return (
        Alert(
            name="WiltonosNotifierBacklog",
            expr=f"{fresh(BACKLOG_AGE, policy.fresh_seconds)} > {BACKLOG_AGE_LIMIT_SECONDS}",
            severity=Severity.WARNING,
            keep_seconds=60,
            summary="Messages wait for {{ $labels.channel }}",
            description=(
                "The oldest message for channel {{ $labels.channel }} has been waiting for "
                "{{ $value | humanizeDuration }}. The chat is slow, limits us, or is away."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosNotifierDeadLetters",
            expr=f"{fresh(DEAD_LETTERS, policy.fresh_seconds)} > 0",
            severity=Severity.WARNING,
            summary="{{ $value }} messages could not be delivered",
            description=(
                "{{ $value }} dead letters of kind {{ $labels.kind }} wait for a person: see them "
                "with `wt notifier dead-letters list`, then replay or drop them."
            ),
            panel=PanelId.PIPELINE,
        ),
        Alert(
            name="WiltonosNotifierDestinationDead",
            expr=f"{fresh(DESTINATION_UP, policy.fresh_seconds)} == 0",
            severity=Severity.CRITICAL,
            summary="Channel {{ $labels.channel }} takes no messages",
            description=(
                "The chat answers channel {{ $labels.channel }} that its address or token is not "
                "valid. Nothing is sent there until its secret file changes."
            ),
            panel=PanelId.PIPELINE,
        ),
    )


def _overflow() -> Alert:
    """The SDK marks the stream that takes what is over the cardinality limit (metrics SDK spec)."""
    return Alert(
        name="WiltonosAttributeOverflow",
        expr=(
            'count by (job, instance) ({__name__=~"wiltonos_.+", otel_metric_overflow="true"}) > 0'
        ),
        severity=Severity.WARNING,
        keep_seconds=60,
        summary="{{ $labels.job }} on {{ $labels.instance }} has too many attribute sets",
        description=(
            "{{ $value }} series of {{ $labels.job }} have more attribute sets than their limit; "
            "the rest is summed up in one series and cannot be told apart."
        ),
        panel=PanelId.PIPELINE,
    )


def _watchdog() -> Alert:
    return Alert(
        name=WATCHDOG,
        expr="vector(1)",
        severity=Severity.NONE,
        summary="Rules are evaluated and alerts are delivered",
        description=(
            "This alert always fires. When the notifier no longer hears of it, alerting is down."
        ),
        panel=PanelId.PIPELINE,
    )
