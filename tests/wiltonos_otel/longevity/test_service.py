"""The service as a process of its own, killed without warning."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

DOSE = {"compound": "resveratrol", "mg": 500}


@contextmanager
def service(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``wt longevity serve`` on a free port, and its base URL."""
    config = directory / "wiltonos.toml"
    config.write_text(
        '[longevity]\nlisten = "127.0.0.1:0"\n[telemetry]\notlp_endpoint = "http://127.0.0.1:9"\n'
    )
    code = "from wiltonos_otel.cli.entry import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "longevity", "serve", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OTEL_METRICS_EXPORTER": "none"},
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+(?=/longevity/info)", line):
                yield process, found[0]
                return
        raise AssertionError("the service did not start")
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def record(url: str, key: str) -> int:
    """Record a dose and return its id."""
    request = Request(
        f"{url}/longevity/dose",
        data=json.dumps(DOSE).encode(),
        headers={"Idempotency-Key": key},
        method="POST",
    )
    with urlopen(request, timeout=10) as response:
        identity: int = json.load(response)["id"]
        return identity


@pytest.mark.durability
def test_a_kill_loses_no_dose_that_was_answered(tmp_path: Path) -> None:
    """Killed at any moment: what was answered is there, once, and a repeat adds nothing."""
    answered: dict[str, int] = {}
    for generation in range(2):
        with service(tmp_path) as (process, url):
            for number in range(10):
                key = f"{generation}-{number}"
                answered[key] = record(url, key)
            process.send_signal(signal.SIGKILL)
            process.wait()
            with pytest.raises(URLError):
                record(url, "too late")
    with service(tmp_path) as (_, url):
        assert {key: record(url, key) for key in answered} == answered
        with urlopen(f"{url}/longevity/info", timeout=10) as response:
            assert json.load(response)["doses"] == len(answered)
        with urlopen(f"{url}/longevity/metrics", timeout=10) as response:
            line = f'wiltonos_longevity_doses_total{{compound="resveratrol"}} {len(answered)}.0'
            assert line in response.read().decode()


def test_a_service_ends_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends it with 0 and leaves the diary to others."""
    with service(tmp_path) as (process, url):
        record(url, "k")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    with service(tmp_path) as (_, url):
        assert record(url, "k") == 1
