"""What ``wt state backfill`` writes is taken by the real promtool and answered by its blocks."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from wiltonos_otel.cli.state import state

pytestmark = pytest.mark.stack

START_MS = 1_795_000_000_000


def test_promtool_takes_the_history_of_a_gap(binaries: dict[str, Path], tmp_path: Path) -> None:
    """Every sample of the gap is in the blocks, with the labels of the live series."""
    samples = {START_MS + n * 1000: 0.75 + n / 10_000 for n in range(120)}
    history, text, data = tmp_path / "history.jsonl", tmp_path / "gap.om", tmp_path / "tsdb"
    history.write_text(
        "".join(
            json.dumps({"timestamp": at / 1000, "phi": phi}) + "\n" for at, phi in samples.items()
        )
    )
    words = ["backfill", str(history), "--output", str(text), "--instance", "here"]
    result = CliRunner().invoke(state, words)
    assert result.exit_code == 0, result.output
    tool = binaries["promtool"]
    subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", text, data],
        check=True,
        capture_output=True,
    )
    # the data of a Prometheus has one
    (data / "wal").mkdir()
    match = '--match={__name__="wiltonos_quantum_coherence_ratio",job="wiltonos-exporter"}'
    dump = subprocess.run(
        [tool, "tsdb", "dump", match, data], check=True, capture_output=True, text=True
    ).stdout
    found = {}
    for line in dump.splitlines():
        labels, _, numbers = line.rpartition("} ")
        assert 'instance="here"' in labels
        value, at = numbers.split()
        found[int(at)] = float(value)
    assert found == samples
