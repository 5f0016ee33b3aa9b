"""What ``/api/v1/phi`` says of a moment."""

from wiltonos_otel.phi import LoopSnapshot, Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.web.view import MAX_LOOPS, SourceHealth, view_now, view_policy

NOW = 1_795_453_200_000
HEALTH = SourceHealth("state", "/srv/state", {"torn": 1}, ["quantum_state.json: torn"], True)


def loop(pressure: float | None) -> LoopSnapshot:
    """A loop with this pressure; None is a stale one."""
    phi = None if pressure is None else 0.75 - pressure
    return LoopSnapshot(NOW, phi, 0.75, pressure, 2, None)


def test_stale_loops_come_last() -> None:
    """The highest pressure is on top; what is unknown is below all that is known."""
    loops = {"stale": loop(None), "calm": loop(0.0), "tense": loop(0.2)}
    view = view_now(Snapshot(NOW, loops=loops), HEALTH, None)
    assert [each["name"] for each in view["loops"]] == ["tense", "calm", "stale"]


def test_number_of_loops_is_bounded_and_the_total_is_told() -> None:
    """Each event goes to every reader each second."""
    loops = {f"loop-{number}": loop(0.0) for number in range(MAX_LOOPS + 7)}
    view = view_now(Snapshot(NOW, loops=loops), HEALTH, None)
    assert len(view["loops"]) == MAX_LOOPS
    assert view["loops_total"] == MAX_LOOPS + 7


def test_derivatives_are_named_by_their_window() -> None:
    """As the attribute of the instrument is."""
    view = view_now(Snapshot(NOW, NOW, 0.75, derivatives={30: 0.01}), HEALTH, None)
    assert view["derivatives"] == {"30s": 0.01}


def test_source_says_what_is_wrong_with_it() -> None:
    """Errors by reason, problems by file, and whether it is made up."""
    view = view_now(Snapshot(NOW), HEALTH, None)
    assert view["simulated"]
    assert view["source"]["errors"] == {"torn": 1}
    assert view["source"]["problems"] == ["quantum_state.json: torn"]


def test_policy_names_every_limit() -> None:
    """A page needs no threshold of its own."""
    view = view_policy(Policy(), 60)
    assert {"target", "band_low", "band_high", "rate", "loop_pressure", "fresh_seconds"} <= set(
        view
    )
