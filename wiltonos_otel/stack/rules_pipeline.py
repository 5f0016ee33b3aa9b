"""Rules about the pipe itself: Collector, notifier, attribute overflow, and the Watchdog."""

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules_notifier
from wiltonos_otel.stack.panels import PanelId
from wiltonos_otel.stack.rules_model import Alert, Group, Severity

WATCHDOG = "WiltonosWatchdog"
# The Collector's own metrics, scraped each 5 s (0.161 with explicit readers: no _total).
# Refused: the sender was told to come again. Send failed: given up for good; this counter appears
# with its first event.
REFUSED = "otelcol_receiver_refused_metric_points"
SEND_FAILED = "otelcol_exporter_send_failed_metric_points"
QUEUE_SIZE = "otelcol_exporter_queue_size"
QUEUE_CAPACITY = "otelcol_exporter_queue_capacity"

RATE_WINDOW = "1m"
DOWN_HOLD_SECONDS = 30
# Prometheus drops what fires before it has found Alertmanager, some tenths of a second after its
# start, and says it again only a minute later (--rules.alert.resend-delay)
WATCHDOG_HOLD_SECONDS = 5
# Prometheus scrapes itself each 5 s
STORED_WITHIN = "30s"


def groups(policy: Policy) -> tuple[Group, ...]:
    """The rules about the pipe."""
    return (
        Group(
            "wiltonos-pipeline",
            5,
            (
                _prometheus_storing(),
                _collector_down(),
                _collector_refusing(),
                _collector_dropping(),
                _collector_filling(),
                *rules_notifier.alerts(policy),
                _overflow(),
            ),
        ),
        Group("wiltonos-watchdog", 1, (_watchdog(),)),
    )


def _prometheus_storing() -> Alert:
    """A full disk stores nothing and says so to nobody; rules go on, on what memory has.

    Measured on 3.15.1: the OTLP receiver answers 200 all the while (docs/decisions/0007).
    """
    seen = 'up{job="prometheus"}'
    return Alert(
        name="WiltonosPrometheusNotStoring",
        expr=f"last_over_time({seen}[1h])\nunless last_over_time({seen}[{STORED_WITHIN}])",
        severity=Severity.CRITICAL,
        hold_seconds=DOWN_HOLD_SECONDS,
        summary="Prometheus at {{ $labels.instance }} stores nothing",
        description=(
            "Prometheus evaluates rules, but not even its own samples have been stored for a "
            "minute: its disk is full, most likely. What is pushed now is answered as if it were "
            "kept, and is lost."
        ),
        panel=PanelId.PIPELINE,
    )


def _collector_down() -> Alert:
    return Alert(
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
    )


def _collector_refusing() -> Alert:
    return Alert(
        name="WiltonosCollectorRefusing",
        expr=f"sum by (job, instance) (rate({REFUSED}[{RATE_WINDOW}])) > 0",
        severity=Severity.WARNING,
        keep_seconds=60,
        summary="The Collector refuses data",
        description=(
            'The Collector refuses {{ $value | printf "%.1f" }} points per second, because '
            "its memory limit is reached or its queue is full. Senders try again for a while."
        ),
        panel=PanelId.PIPELINE,
    )


def _collector_dropping() -> Alert:
    return Alert(
        name="WiltonosCollectorDropping",
        expr=(
            f"sum by (job, instance) (\n"
            f"  increase({SEND_FAILED}[{RATE_WINDOW}]) > 0\n"
            f"  or ({SEND_FAILED} unless {SEND_FAILED} offset {RATE_WINDOW})\n"
            f")\n"
            # a Prometheus that has just begun knows no difference between old and new
            f"and on (job, instance) up offset {RATE_WINDOW}"
        ),
        severity=Severity.CRITICAL,
        keep_seconds=60,
        summary="The Collector loses data on its way to Prometheus",
        description=(
            'The Collector gave up {{ $value | printf "%.0f" }} points within a minute: '
            "Prometheus refused them for good, they are lost."
        ),
        panel=PanelId.PIPELINE,
    )


def _collector_filling() -> Alert:
    return Alert(
        name="WiltonosCollectorQueueFilling",
        expr=(
            f"max by (job, instance) (\n"
            # spans wait for a minute at most, and may be lost
            f'  {QUEUE_SIZE}{{data_type="metrics"}}\n'
            f"  / on (job, instance, exporter, data_type) {QUEUE_CAPACITY}\n"
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
        hold_seconds=WATCHDOG_HOLD_SECONDS,
        summary="Rules are evaluated and alerts are delivered",
        description=(
            "This alert always fires. When the notifier no longer hears of it, alerting is down."
        ),
        panel=PanelId.PIPELINE,
    )
