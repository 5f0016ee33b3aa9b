"""``wt metrics bootstrap``: from nothing to a Φ that can be queried, or why not."""

import os
from dataclasses import replace

import click

from wiltonos_otel.stack import compose_stack, hops, native
from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.demo import record_doses
from wiltonos_otel.stack.down import end_processes
from wiltonos_otel.stack.interrupt import nothing_left_when_interrupted
from wiltonos_otel.stack.native import recipes
from wiltonos_otel.stack.native.build import build_all
from wiltonos_otel.stack.native_stack import NativeStack, held
from wiltonos_otel.stack.plan import Plan, has_state
from wiltonos_otel.stack.record import Mode, Record, load, save
from wiltonos_otel.stack.service import OURS
from wiltonos_otel.stack.summary import show_summary
from wiltonos_otel.stack.waiting import (
    OURS_SECONDS,
    PART_SECONDS,
    BrokenHopError,
    check_part,
    pipe_of,
    wait_for_part,
    wait_for_samples,
)
from wiltonos_service.errors import UsageError

# lies beside the state files that a demo writes
SIMULATED = ".simulated"


def bootstrap(plan: Plan, mode: Mode, speaker: Speaker) -> Record:
    """Bring the stack up, unless it is; returns its record.

    Args:
        plan: what is wanted.
        mode: native or compose.
        speaker: says what happens.

    Raises:
        OperatorError: something is in the way; the text says what and what to do.
        KeyboardInterrupt: it was interrupted; nothing of this stack runs any more.
    """
    with held(plan.places):
        running = _running(plan, mode)
        if running is not None and running.complete:
            _check_at_once(running)
            speaker.say("The stack is up already.")
        else:
            plan = _settle_state(plan, running, speaker)
            _mark_simulated(plan)
            up = _up_native if mode == "native" else compose_stack.up
            with nothing_left_when_interrupted(lambda: _end(plan, speaker)):
                running = up(plan, running, speaker)
            save(running, plan.places.record)
    show_summary(running, speaker)
    return running


def choose_mode(asked: Mode | None, plan: Plan, speaker: Speaker) -> Mode:
    """The mode that was asked for, or that of the stack that is up, or the best one here."""
    if asked is not None:
        return asked
    record = load(plan.places.record)
    if record is not None:
        return record.mode
    if compose_stack.engine_answers(plan.environ):
        return "compose"
    speaker.say("No Docker engine answers: a native stack it is.")
    return "native"


def _running(plan: Plan, mode: Mode) -> Record | None:
    """The stack that runs here, or None.

    Raises:
        UsageError: one runs, and it is another than the one that is wanted.
    """
    record = load(plan.places.record)
    if record is None or not is_up(record, plan):
        return None
    if difference := record.differs_from(plan, mode):
        raise UsageError(
            f"a stack is up already, and {difference}; end it with wt metrics down, "
            f"or ask for the same: {record.command}"
        )
    return record


def is_up(record: Record, plan: Plan) -> bool:
    """Whether the recorded stack runs."""
    if record.mode == "compose":
        return compose_stack.is_up(record)
    stack = NativeStack.of(plan, record)
    return stack.supervisor.answers() and (not record.complete or stack.whole())


def _settle_state(plan: Plan, running: Record | None, speaker: Speaker) -> Plan:
    """Ask once whether to simulate where there are no state files and somebody to ask."""
    if running is not None or plan.demo or has_state(plan.state_dir) or not speaker.terminal:
        return plan
    speaker.say(f"There are no state files in {plan.state_dir}.")
    if not click.confirm("Show simulated data instead?", default=False):
        return plan
    return replace(plan, demo=True, state_dir=plan.places.demo_state)


def _mark_simulated(plan: Plan) -> None:
    """Take a directory for simulated state files; never one that holds real ones.

    Raises:
        UsageError: the directory holds state files that no demo wrote.
    """
    if not plan.demo:
        return
    mark = plan.state_dir / SIMULATED
    ours = mark.exists() or plan.state_dir == plan.places.demo_state
    if has_state(plan.state_dir) and not ours:
        raise UsageError(
            f"{plan.state_dir} holds state files, and --demo would write over them; "
            "name an empty directory, or leave --state out"
        )
    plan.state_dir.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _up_native(plan: Plan, running: Record | None, speaker: Speaker) -> Record:
    stack = NativeStack.new(plan) if running is None else NativeStack.of(plan, running)
    if running is None:
        _end_remains(plan)
        stack.require_ports()
        save(stack.record, plan.places.record)
    stack.write_files()
    if plan.demo:
        speaker.say("DEMO: all data is simulated.")
    stack.start_ours()
    _wait_for_ours(stack, speaker)
    if plan.demo:
        record_doses(pipe_of(stack.record))
    _build(plan, speaker)
    stack.start_all()
    _wait_for_all(stack, speaker)
    _build_pages(stack, speaker)
    return stack.with_record(complete=True).record


def _end(plan: Plan, speaker: Speaker) -> None:
    record = load(plan.places.record)
    if record is not None:
        end_processes(record, plan.environ)
        plan.places.record.unlink(missing_ok=True)
    speaker.say("Interrupted: nothing is left running. The next run goes on from here.")


def _end_remains(plan: Plan) -> None:
    """End what an earlier, broken-off stack of this directory left behind."""
    record = load(plan.places.record)
    if record is not None and record.mode == "native":
        NativeStack.of(plan, record).supervisor.stop()


def _wait_for_ours(stack: NativeStack, speaker: Speaker) -> None:
    pipe = pipe_of(stack.record)
    for name in OURS:
        wait_for_part(name, "/-/ready", pipe, OURS_SECONDS, stack.broken)
    urls = ", ".join(f"{name} {pipe.url(name)}/" for name in OURS)
    speaker.say(f"Up: {urls}")


def _build(plan: Plan, speaker: Speaker) -> None:
    missing = native.missing(plan.environ)
    if missing:
        cores = os.cpu_count() or 1
        minutes = max(1, round(sum(recipe.usual_seconds(cores) for recipe in missing) / 60))
        names = ", ".join(recipe.title for recipe in missing)
        speaker.say(
            f"Building {names}: once, about {minutes} minutes; the pages above work already."
        )
    with speaker.building() as watcher:
        build_all(missing, plan.environ, watcher)


def _build_pages(stack: NativeStack, speaker: Speaker) -> None:
    """Prometheus' own pages are good to have; the stack does without them."""
    environ = stack.plan.environ
    if stack.link_pages() or environ.get(native.ENV_BIN):
        return
    speaker.say("Everything is up. Last, once: Prometheus' own pages, about a minute.")
    try:
        with speaker.building() as watcher:
            native.build(recipes.prometheus_ui(), environ, watcher)
    except native.BuildError as error:
        speaker.say(f"Prometheus runs without its web UI, its API works: {error}")
    stack.link_pages()


def _wait_for_all(stack: NativeStack, speaker: Speaker) -> None:
    pipe = pipe_of(stack.record)
    parts = {"collector_health": "/", "prometheus": "/-/ready", "alertmanager": "/-/ready"}
    if stack.record.grafana:
        parts["grafana"] = "/api/health"
    for name, path in parts.items():
        wait_for_part(name, path, pipe, PART_SECONDS, stack.broken)
    speaker.say("Up: Collector, Prometheus, Alertmanager. Waiting for the first samples.")
    wait_for_samples(pipe, stack.broken)


def _check_at_once(record: Record) -> None:
    """A look at a stack that should be up, short enough for a second bootstrap.

    Raises:
        BrokenHopError: a part does not answer.
    """
    pipe = pipe_of(record)
    for name in OURS:
        finding = check_part(name, "/-/ready", pipe)
        if not finding.ok:
            raise BrokenHopError(finding)
    finding = hops.check_prometheus(pipe)
    if not finding.ok:
        raise BrokenHopError(finding)
