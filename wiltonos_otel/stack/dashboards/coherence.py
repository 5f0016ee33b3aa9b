"""The WiltonOS Quantum Coherence Dashboard, from the general to the specific."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import GridPos

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack.dashboards import loops, model, pipeline, signal
from wiltonos_otel.stack.dashboards.doses import dose_annotation
from wiltonos_otel.stack.panels import COHERENCE_DASHBOARD, LONGEVITY_DASHBOARD

TITLE = "WiltonOS Quantum Coherence Dashboard"
# rows are panels too, and theirs are numbers that no alert links to
FIRST_ROW = 101


def build(policy: Policy) -> dashboard.Dashboard:
    """The dashboard for a policy."""
    phi, pressure = catalogue.COHERENCE_RATIO.series, catalogue.LOOP_PRESSURE.series
    board = model.board(
        COHERENCE_DASHBOARD,
        TITLE,
        "Whether Φ stays in its band and moves smoothly, which loop presses, and whether the "
        "figures can be trusted.",
        [
            model.choice("instance", "Instance", phi, "instance"),
            model.choice("loop", "Loop", pressure, "loop"),
        ],
    )
    board = (
        board.link(model.link("Longevity", LONGEVITY_DASHBOARD))
        .annotation(model.alert_annotation())
        .annotation(dose_annotation())
    )
    rows: dict[str, tuple[int, list[Any]]] = {
        "Is Φ well now?": (
            0,
            [signal.phi_now(policy), signal.sustained_good(policy), pipeline.alerts()],
        ),
        "How did it move?": (9, [signal.history(policy), signal.derivatives(policy)]),
        "Which loop presses?": (
            27,
            [loops.pressure(policy), loops.coherence(policy), loops.collapses()],
        ),
        "Can the figures be trusted?": (43, [pipeline.sources(policy), pipeline.health(policy)]),
    }
    for number, (title, (y, panels)) in enumerate(rows.items(), FIRST_ROW):
        place = GridPos(h=1, w=model.COLUMNS, x=0, y=y)
        board = board.with_row(dashboard.Row(title).id(number).grid_pos(place))
        for panel in panels:
            board = board.with_panel(panel)
    return board
