"""What the stack says on a terminal."""

from io import StringIO

import pytest
from rich.console import Console

from wiltonos_otel.stack.console import Speaker

ADDRESS = "http://127.0.0.1:25565/longevity/doses"


@pytest.mark.parametrize("columns", [80, 200])
def test_an_address_in_a_table_stays_on_one_line(columns: int) -> None:
    """It can be clicked and copied; the words beside it give way."""
    speaker = Speaker()
    screen = StringIO()
    speaker.console = Console(file=screen, force_terminal=True, width=columns, color_system=None)
    rows = [("live page", ADDRESS, "Φ now, and in the last 10 minutes, and what is said of it")]
    speaker.table(("what", "where", "what for"), rows)
    assert ADDRESS in screen.getvalue()
    assert all(len(line) <= columns for line in screen.getvalue().splitlines())
