"""The line of the last minutes: samples and gaps."""

from wiltonos_otel.phi import Snapshot
from wiltonos_otel.web.history import History

NOW = 1_795_453_200_000


def at(now_ms: int, time_ms: int | None, phi: float | None) -> Snapshot:
    """A moment."""
    return Snapshot(now_ms, time_ms, phi)


def test_sample_is_drawn_at_its_own_time_once() -> None:
    """A value that is only held adds nothing."""
    history = History(600_000, 15_000)
    assert history.add(at(NOW + 400, NOW, 0.75)) == (NOW, 0.75)
    assert history.add(at(NOW + 1400, NOW, 0.75)) is None
    assert history.points() == [(NOW, 0.75)]


def test_line_ends_when_the_sample_is_no_longer_fresh() -> None:
    """A frozen line would look like perfect coherence."""
    history = History(600_000, 15_000)
    history.add(at(NOW, NOW, 0.75))
    assert history.add(at(NOW + 15_000, NOW, 0.75)) is None
    assert history.add(at(NOW + 15_001, NOW, 0.75)) == (NOW + 15_001, None)


def test_nothing_is_a_gap() -> None:
    """Before the first sample and after the last."""
    history = History(600_000, 15_000)
    assert history.add(at(NOW, None, None)) == (NOW, None)


def test_points_older_than_the_span_are_dropped() -> None:
    """Memory is bounded."""
    history = History(10_000, 15_000)
    for second in range(100):
        moment = NOW + second * 1000
        history.add(at(moment, moment, 0.75))
    assert [time_ms for time_ms, _ in history.points()] == [
        NOW + second * 1000 for second in range(89, 100)
    ]


def test_clock_that_was_set_back_takes_its_points_with_it() -> None:
    """Time on the axis never runs backwards."""
    history = History(600_000, 15_000)
    history.add(at(NOW + 60_000, NOW + 60_000, 0.7))
    history.add(at(NOW, NOW, 0.75))
    assert history.points() == [(NOW, 0.75)]
