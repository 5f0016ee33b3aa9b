"""The exporter's ``/metrics`` with either reader."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.exporter import Exporter
from wiltonos_otel.settings import load


def page(directory: Path, scrape_reader: str) -> str:
    """What a fresh exporter shows."""
    config = directory / "wiltonos.toml"
    config.write_text(f'[exporter]\nscrape_reader = "{scrape_reader}"\n')
    environ = {"OTEL_SDK_DISABLED": "false", "OTEL_METRICS_EXPORTER": "none"}
    exporter = Exporter(load(config=config, environ=environ))
    try:
        scrape = exporter.telemetry.scrape
        assert scrape is not None
        for loop in ("breath", "memory"):
            exporter.main.signal.observe_loop(loop, SystemClock().now_ms(), 0.74, 0.75, 3)
        return scrape.render("").body.decode()
    finally:
        exporter.telemetry.shutdown()


def test_both_readers_show_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``[exporter] scrape_reader`` changes the speed, and the order of the families."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    fast, stock = page(tmp_path, "fast"), page(tmp_path, "stock")
    assert sorted(fast.splitlines()) == sorted(stock.splitlines())
    names = {family.name for family in text_string_to_metric_families(fast)}
    assert {"target_info", "wiltonos_soft_steer_limit", "wiltonos_source_errors"} <= names
    assert {"wiltonos_loop_quantum_coherence", "wiltonos_collapse_operations"} <= names
