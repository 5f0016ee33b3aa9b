"""What this process exports: made by ``configure()``, never by an import."""

import atexit
import logging
import os
import signal as signals
import sys
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING

from opentelemetry import metrics

from wiltonos_otel.arguments import MAX_LOOPS, STALE_AFTER_SECONDS, Arguments
from wiltonos_otel.instruments.handles import Coherence, Loop, OverflowLoop, Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wiltonos_otel.instruments.coherence import CoherenceInstruments
    from wiltonos_otel.options import Options
    from wiltonos_otel.own import Own
    from wiltonos_otel.policy import Policy

log = logging.getLogger("wiltonos_otel")

DISTRIBUTION = "wiltonos-otel"
# names the handles in wiltonos.source.*
SOURCE = "handles"
# what of the arguments is in force where somebody else made the MeterProvider
_THEIRS = "what the MeterProvider has"


class _Process:
    """The state of the process: at most one configuration is in force."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.slot = Slot()
        self.instruments: CoherenceInstruments | None = None
        self.telemetry: Own | None = None
        # the call of configure() that is in force, and what came of it
        self.asked = Arguments()
        self.in_force: dict[str, object] = {}
        self.said_too_late = False
        # makes the recorder in force once more, for a child process
        self.record_anew: Callable[[], None] | None = None
        self.loops: dict[str, Loop] = {}
        self.max_loops = MAX_LOOPS
        self.too_many: Loop | None = None
        # a provider keeps the callbacks that it was given first
        self.known: weakref.WeakKeyDictionary[metrics.MeterProvider, CoherenceInstruments] = (
            weakref.WeakKeyDictionary()
        )
        # providers of ours that were shut down, one of which may still be the global one
        self.ended: weakref.WeakSet[metrics.MeterProvider] = weakref.WeakSet()
        self.exit_hooked = False
        self.forks_hooked = False

    def begin_in_child(self) -> None:
        """After a fork: locks and values are the parent's, so begin with new ones."""
        self.lock = threading.RLock()
        if self.instruments is not None and self.record_anew is not None:
            self.instruments.begin_anew()
            self.record_anew()
        # what a worker of multiprocessing has instead of atexit is emptied before its own hooks
        # for children run (multiprocessing/process.py, BaseProcess._bootstrap)
        workers = sys.modules.get("multiprocessing.util")
        if workers is not None and self.telemetry is not None:
            workers.register_after_fork(self, lambda _process: _hook_worker_exit())


_process = _Process()


coherence = Coherence(_process.slot)


def loop(name: str) -> Loop:
    """The handle of a loop; the same one for the same name.

    Names beyond ``max_loops`` share one handle: its collapses are counted together, in the series
    with ``otel.metric.overflow``, and its Φ is not exported.
    """
    handle = _process.loops.get(name)
    if handle is not None:
        return handle
    if len(_process.loops) >= _process.max_loops:
        return _too_many(name)
    return _process.loops.setdefault(name, Loop(str(name), _process.slot))


def _too_many(name: str) -> Loop:
    with _process.lock:
        if _process.too_many is None:
            log.warning(
                "loop %r is one of more than %d: the others are counted as one; "
                "keep what varies out of the name, or raise max_loops",
                name,
                _process.max_loops,
            )
            _process.too_many = OverflowLoop(_process.slot)
            # the series exists from the first such loop on, not from its first collapse
            _process.too_many.collapsed(0)
        return _process.too_many


def configure(
    *,
    service_name: str | None = None,
    otlp_endpoint: str | None = None,
    export_interval_seconds: float | None = None,
    instance_id: str | None = None,
    policy: "Policy | None" = None,
    stale_after_seconds: float = STALE_AFTER_SECONDS,
    max_loops: int = MAX_LOOPS,
    config: "str | Path | None" = None,
    meter_provider: metrics.MeterProvider | None = None,
    handle_sigterm: bool = True,
) -> None:
    """Export what the handles are set to; a further call changes nothing, and says so once.

    Where the process already has a MeterProvider, only the instruments are registered with it:
    its readers stay as they are, and it is never shut down. Otherwise one is made that pushes
    over OTLP, becomes the global one, and delivers what is left at exit and on SIGTERM;
    ``OTEL_METRICS_EXPORTER`` may name the console and a page for Prometheus as well or instead.
    Without an SDK nothing is exported and the handles cost next to nothing.

    A process that is forked afterwards exports what it sets itself, as an instance of its own: the
    parent's with its process number behind it. One that was forked before calls this for itself.

    Args:
        service_name: the resource attribute; ``OTEL_SERVICE_NAME`` counts where it is not given.
        otlp_endpoint: base URL of an OTLP/HTTP receiver (default: the local Collector).
        export_interval_seconds: seconds between two pushes (default 5).
        instance_id: ``service.instance.id`` (default: the host's name, which restarts keep).
        policy: the coherence policy to export and to judge by.
        stale_after_seconds: age at which a value that was set stops counting.
        max_loops: how many names of loops there may be.
        config: a ``wiltonos.toml``; arguments and environment win over it.
        meter_provider: register with this one instead of the global one.
        handle_sigterm: deliver on SIGTERM, unless the process handles it by itself.

    Raises:
        OptionsError: an argument, the environment or the file states something wrong.
        PolicyError: the policy contradicts itself.
    """
    _configure(
        Arguments(
            service_name=service_name,
            otlp_endpoint=otlp_endpoint,
            export_interval_seconds=export_interval_seconds,
            instance_id=instance_id,
            policy=policy,
            stale_after_seconds=stale_after_seconds,
            max_loops=max_loops,
            config=config,
            meter_provider=meter_provider,
            handle_sigterm=handle_sigterm,
        )
    )


def _configure(asked: Arguments) -> None:
    # what only this call needs would be most of the time that importing the package takes
    from wiltonos_otel.options import resolve  # noqa: PLC0415

    with _process.lock:
        if _process.slot.recorder is not None:
            _say_too_late(asked)
            return
        options = resolve(
            otlp_endpoint=asked.otlp_endpoint,
            export_interval_seconds=asked.export_interval_seconds,
            policy=asked.policy,
            stale_after_seconds=asked.stale_after_seconds,
            max_loops=asked.max_loops,
            config=asked.config,
            environ=os.environ,
        )
        _hook_forks()
        provider = asked.meter_provider or _foreign_provider()
        in_force: dict[str, object] = dict.fromkeys(
            ("service_name", "instance_id", "otlp_endpoint", "export_interval_seconds"), _THEIRS
        )
        if provider is None:
            provider, in_force = _own_provider(options, asked)
            _hook_exit(asked.handle_sigterm)
        elif asked.concerns_provider():
            log.warning("there is a MeterProvider: its resource, endpoint and interval stay")
        _process.max_loops = options.max_loops
        _register(provider, options.policy, options.stale_after_seconds)
        _process.asked, _process.said_too_late = asked, False
        _process.in_force = {**in_force, "policy": options.policy, "meter_provider": provider}


def _say_too_late(asked: Arguments) -> None:
    late = asked.too_late(_process.asked, _process.in_force)
    if late and not _process.said_too_late:
        _process.said_too_late = True
        from wiltonos_service.redaction import redact  # noqa: PLC0415 - see configure()

        log.warning(
            "configure() was called before, and that call stays in force; ignored: %s; "
            "call shutdown() before, to change it",
            redact(", ".join(late)),
        )


def flush(seconds: float = 2.0) -> bool:
    """Deliver what was set so far; False when that failed or took longer.

    Does nothing with a foreign MeterProvider, whose owner flushes it.
    """
    telemetry = _process.telemetry
    return telemetry is None or telemetry.flush(seconds)


def shutdown() -> None:
    """Deliver what was set so far, within two seconds, and export no more.

    A foreign MeterProvider goes on without our series.
    """
    with _process.lock:
        telemetry, instruments = _process.telemetry, _process.instruments
        _process.telemetry = None
        if telemetry is not None:
            telemetry.shutdown()
            _process.ended.add(telemetry.provider)
        if instruments is not None:
            instruments.detach(SOURCE)
        _process.slot.recorder = _process.instruments = _process.record_anew = None


def _register(
    provider: metrics.MeterProvider, policy: "Policy", stale_after_seconds: float
) -> None:
    # see configure()
    from importlib.metadata import version  # noqa: PLC0415

    from wiltonos_otel.clock import SystemClock  # noqa: PLC0415
    from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments  # noqa: PLC0415
    from wiltonos_otel.instruments.recorder import Recorder  # noqa: PLC0415
    from wiltonos_otel.instruments.signal import Signal  # noqa: PLC0415
    from wiltonos_otel.phi import Refusal  # noqa: PLC0415

    instruments = _process.known.get(provider)
    if instruments is None:
        meter = provider.get_meter(METER, version(DISTRIBUTION))
        instruments = CoherenceInstruments(meter, policy)
        _process.known[provider] = instruments
    instruments.policy = policy

    def refused(reason: str) -> None:
        instruments.refused(SOURCE, reason)

    def record_anew() -> None:
        signal = Signal(SOURCE, policy, stale_after_seconds, SystemClock())
        recorder = Recorder(signal, refused)
        instruments.attach(recorder, reasons=[refusal.value for refusal in Refusal])
        _process.slot.recorder = recorder
        if _process.too_many is not None:
            _process.too_many.collapsed(0)

    record_anew()
    _process.instruments, _process.record_anew = instruments, record_anew


def _hook_forks() -> None:
    from wiltonos_service.forks import in_child  # noqa: PLC0415 - see configure()

    if not _process.forks_hooked:
        _process.forks_hooked = True
        in_child(_process.begin_in_child)


def _foreign_provider() -> metrics.MeterProvider | None:
    """The global MeterProvider, or None while there is only the API's placeholder."""
    provider = metrics.get_meter_provider()
    placeholder = type(provider).__module__.startswith("opentelemetry.metrics")
    if placeholder and not isinstance(provider, metrics.NoOpMeterProvider):
        return None
    return None if provider in _process.ended else provider


def _own_provider(
    options: "Options", asked: Arguments
) -> tuple[metrics.MeterProvider, dict[str, object]]:
    """A provider, and what of the arguments is in force in it."""
    try:
        from wiltonos_otel.own import Own  # noqa: PLC0415 - the SDK is an extra
    except ModuleNotFoundError as error:
        log.warning(
            '%s is not installed: nothing is exported; run: pip install "wiltonos-otel[sdk]"',
            error.name,
        )
        return metrics.get_meter_provider(), {}
    _process.telemetry = Own(options, asked.service_name, asked.instance_id)
    provider = _process.telemetry.provider
    if metrics.get_meter_provider() not in _process.ended:
        metrics.set_meter_provider(provider)
    return provider, _process.telemetry.in_force


def _hook_exit(handle_sigterm: bool) -> None:
    if _process.telemetry is None:
        return
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        _hook_worker_exit()
    if _process.exit_hooked:
        return
    _process.exit_hooked = True
    atexit.register(shutdown)
    in_main = threading.current_thread() is threading.main_thread()
    # a program with a handler of its own ends by itself, and then atexit runs
    if handle_sigterm and in_main and signals.getsignal(signals.SIGTERM) is signals.SIG_DFL:
        signals.signal(signals.SIGTERM, _end_on_sigterm)


def _hook_worker_exit() -> None:
    """Deliver at the end of this worker of multiprocessing, which may end without ``atexit``."""
    sys.modules["multiprocessing.util"].Finalize(None, shutdown, exitpriority=0)


def _end_on_sigterm(number: int, _frame: FrameType | None) -> None:
    """Deliver, then end as if nobody had handled it: the exit status stays what it would be."""
    if _process.telemetry is not None:
        _process.telemetry.shutdown()
    signals.signal(number, signals.SIG_DFL)
    os.kill(os.getpid(), number)
