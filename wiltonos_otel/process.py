"""What this process exports: made by ``configure()``, never by an import."""

import atexit
import logging
import os
import signal as signals
import socket
import sys
import threading
import weakref
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from opentelemetry import metrics

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments
from wiltonos_otel.instruments.handles import Coherence, Loop, Recorder, Slot
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.options import Options, resolve
from wiltonos_otel.phi import Refusal
from wiltonos_otel.policy import Policy

if TYPE_CHECKING:
    from wiltonos_service.telemetry.provider import Telemetry

log = logging.getLogger("wiltonos_otel")

DISTRIBUTION = "wiltonos-otel"
# names the handles in wiltonos.source.*
SOURCE = "handles"
STALE_AFTER_SECONDS = 60.0


class _Process:
    """The state of the process: at most one configuration is in force."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.slot = Slot()
        self.instruments: CoherenceInstruments | None = None
        self.telemetry: Telemetry | None = None
        self.loops: dict[str, Loop] = {}
        # a provider keeps the callbacks that it was given first
        self.known: weakref.WeakKeyDictionary[metrics.MeterProvider, CoherenceInstruments] = (
            weakref.WeakKeyDictionary()
        )
        # providers of ours that were shut down, one of which may still be the global one
        self.ended: weakref.WeakSet[metrics.MeterProvider] = weakref.WeakSet()
        self.exit_hooked = False


_process = _Process()


coherence = Coherence(_process.slot)


def loop(name: str) -> Loop:
    """The handle of a loop; the same one for the same name."""
    handle = _process.loops.get(name)
    if handle is None:
        handle = _process.loops.setdefault(name, Loop(str(name), _process.slot))
    return handle


def configure(
    *,
    service_name: str | None = None,
    otlp_endpoint: str | None = None,
    export_interval_seconds: float | None = None,
    instance_id: str | None = None,
    policy: Policy | None = None,
    stale_after_seconds: float = STALE_AFTER_SECONDS,
    config: Path | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    handle_sigterm: bool = True,
) -> None:
    """Export what the handles are set to; a second call changes nothing.

    Where the process already has a MeterProvider, only the instruments are registered with it:
    its readers stay as they are, and it is never shut down. Otherwise one is made that pushes
    over OTLP/HTTP, becomes the global one, and delivers what is left at exit and on SIGTERM.
    Without an SDK nothing is exported and the handles cost next to nothing.

    Args:
        service_name: the resource attribute; ``OTEL_SERVICE_NAME`` counts where it is not given.
        otlp_endpoint: base URL of an OTLP/HTTP receiver (default: the local Collector).
        export_interval_seconds: seconds between two pushes (default 5).
        instance_id: ``service.instance.id`` (default: the host name, so that a restart makes no
            new series); processes of one service on one host need one each.
        policy: the coherence policy to export and to judge by.
        stale_after_seconds: age at which a value that was set stops counting.
        config: a ``wiltonos.toml``; arguments and environment win over it.
        meter_provider: register with this one instead of the global one.
        handle_sigterm: deliver on SIGTERM, unless the process handles it by itself.

    Raises:
        OptionsError: the environment or the file states something wrong.
        PolicyError: the policy contradicts itself.
    """
    with _process.lock:
        if _process.slot.recorder is not None:
            return
        options = resolve(
            otlp_endpoint=otlp_endpoint,
            export_interval_seconds=export_interval_seconds,
            policy=policy,
            config=config,
            environ=os.environ,
        )
        provider = meter_provider or _foreign_provider()
        if provider is None:
            provider = _own_provider(options, service_name, instance_id)
            if _process.telemetry is not None:
                _hook_exit(handle_sigterm)
        elif otlp_endpoint or export_interval_seconds:
            log.warning("there is a MeterProvider already: its endpoint and interval stay in force")
        _register(provider, options.policy, stale_after_seconds)


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
        _process.slot.recorder = _process.instruments = None


def _register(provider: metrics.MeterProvider, policy: Policy, stale_after_seconds: float) -> None:
    instruments = _process.known.get(provider)
    if instruments is None:
        meter = provider.get_meter(METER, version(DISTRIBUTION))
        instruments = CoherenceInstruments(meter, policy)
        _process.known[provider] = instruments
    instruments.policy = policy
    signal = Signal(SOURCE, policy, stale_after_seconds, SystemClock())

    def refused(reason: str) -> None:
        instruments.refused(SOURCE, reason)

    recorder = Recorder(signal, refused)
    instruments.attach(recorder, reasons=[refusal.value for refusal in Refusal])
    _process.instruments, _process.slot.recorder = instruments, recorder


def _foreign_provider() -> metrics.MeterProvider | None:
    """The global MeterProvider, or None while there is only the API's placeholder."""
    provider = metrics.get_meter_provider()
    placeholder = type(provider).__module__.startswith("opentelemetry.metrics")
    if placeholder and not isinstance(provider, metrics.NoOpMeterProvider):
        return None
    return None if provider in _process.ended else provider


def _own_provider(
    options: Options, service_name: str | None, instance_id: str | None
) -> metrics.MeterProvider:
    try:
        from wiltonos_service.telemetry.provider import (  # noqa: PLC0415 - the SDK is an extra
            Identity,
            Push,
            Telemetry,
        )
    except ModuleNotFoundError as error:
        log.warning(
            '%s is not installed: nothing is exported; run: pip install "wiltonos-otel[sdk]"',
            error.name,
        )
        return metrics.get_meter_provider()
    identity = Identity(
        service_name or f"unknown_service:{Path(sys.executable).name}",
        version="",
        instance_id=instance_id or socket.gethostname(),
        stated=service_name is not None,
    )
    _process.telemetry = Telemetry(
        identity, push=Push(options.otlp_endpoint, options.export_interval_seconds)
    )
    provider = _process.telemetry.provider
    if metrics.get_meter_provider() not in _process.ended:
        metrics.set_meter_provider(provider)
    return provider


def _hook_exit(handle_sigterm: bool) -> None:
    if _process.exit_hooked:
        return
    _process.exit_hooked = True
    atexit.register(shutdown)
    in_main = threading.current_thread() is threading.main_thread()
    # a program with a handler of its own ends by itself, and then atexit runs
    if handle_sigterm and in_main and signals.getsignal(signals.SIGTERM) is signals.SIG_DFL:
        signals.signal(signals.SIGTERM, _end_on_sigterm)


def _end_on_sigterm(number: int, _frame: FrameType | None) -> None:
    """Deliver, then end as if nobody had handled it: the exit status stays what it would be."""
    if _process.telemetry is not None:
        _process.telemetry.shutdown()
    signals.signal(number, signals.SIG_DFL)
    os.kill(os.getpid(), number)
