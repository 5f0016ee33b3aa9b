"""Writes state files as WiltonOS would: a process of its own, told what Φ is on its input.

Each line of standard input is the Φ to write from then on, once a second, until the input ends.
"""

import json
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path

INTERVAL_SECONDS = 0.5


def write(file: Path, state: Mapping[str, object]) -> None:
    """Replace the file at once, as a careful writer does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".tmp")
    beside.write_text(json.dumps(state))
    beside.replace(file)


def main(directory: Path, phi: float) -> None:
    """Write until standard input ends."""
    while True:
        stamp = time.time()  # noqa: TID251 - the writer has a clock of its own
        write(directory / "quantum_state.json", {"timestamp": stamp, "phi": phi})
        loop = {"timestamp": stamp, "phi": 0.74, "phi_star": 0.75, "collapses": 3}
        write(directory / "loops" / "breath.json", loop)
        readable, _, _ = select.select([sys.stdin], [], [], INTERVAL_SECONDS)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            phi = float(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
