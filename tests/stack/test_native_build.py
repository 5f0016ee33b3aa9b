"""A build appears whole or not at all, happens once, and ends when it is interrupted."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import native
from wiltonos_otel.stack.native import cache, recipes
from wiltonos_otel.stack.native.build import Silent, build, find
from wiltonos_otel.stack.native.recipe import Command, Place, Recipe, Step
from wiltonos_otel.stack.native.run import BuildError, run


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty cache."""
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod"}


def shell(script: str) -> Command:
    """A step that needs no toolchain."""
    return Command("compile", 1, ("sh", "-c", script))


def recipe(*steps: Step) -> Recipe:
    """A recipe that produces one program."""
    return Recipe("toy", "Toy", "1.0", steps, produces=("bin/toy",))


MAKES_IT = shell('mkdir "{out}/bin" && cp source "{out}/bin/toy"')


def entries(environ: dict[str, str]) -> list[str]:
    """What the cache holds besides locks."""
    directory = cache.directory(environ)
    return sorted(p.name for p in directory.iterdir() if not p.name.endswith(".lock"))


def test_result_is_cached_by_version_and_recipe(environ: dict[str, str]) -> None:
    """The place of a build is its name, version and digest; nothing else remains."""
    toy = recipe(Place("source", b"hello"), MAKES_IT)
    path = build(toy, environ, Silent())
    assert (path / "bin/toy").read_bytes() == b"hello"
    assert path.name == f"toy-1.0-{toy.digest}"
    assert entries(environ) == [path.name]


def test_second_build_does_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    """What is in the cache is never built again."""
    counter = tmp_path / "count"
    toy = recipe(Place("source", b""), shell(f'echo x >> "{counter}"'), MAKES_IT)
    assert build(toy, environ, Silent()) == build(toy, environ, Silent())
    assert counter.read_text() == "x\n"


def test_two_runs_at_once_build_once(environ: dict[str, str], tmp_path: Path) -> None:
    """The second one waits, is told so, and takes the first one's result."""
    counter, go = tmp_path / "count", tmp_path / "go"
    waits = f'echo x >> "{counter}"; while [ ! -e "{go}" ]; do sleep 0.05; done'
    toy = recipe(Place("source", b""), shell(waits), MAKES_IT)

    class Told(Silent):
        def waiting(self, recipe: Recipe) -> None:
            go.touch()

    first = threading.Thread(target=build, args=(toy, environ, Silent()))
    first.start()
    until(counter.exists)
    build(toy, environ, Told())
    first.join(10)
    assert counter.read_text() == "x\n"


def test_failed_step_leaves_nothing(environ: dict[str, str]) -> None:
    """The error names part, step and reason; the cache stays clean."""
    toy = recipe(shell("echo cannot find it >&2; exit 3"))
    with pytest.raises(BuildError, match=r"Toy, compile: failed \(exit 3\): cannot find it"):
        build(toy, environ, Silent())
    assert entries(environ) == []


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("write x: no space left on device", "the disk is full"),
        ("dial tcp: lookup modules.example: no such host", "no network"),
    ],
)
def test_usual_failures_say_what_to_do(environ: dict[str, str], said: str, wanted: str) -> None:
    """A full disk and a missing network are explained."""
    with pytest.raises(BuildError, match=wanted):
        build(recipe(shell(f"echo '{said}'; exit 1")), environ, Silent())


def test_command_that_never_ends_is_ended(tmp_path: Path) -> None:
    """A download that hangs does not keep bootstrap for ever."""
    with pytest.raises(BuildError, match=r"get it: no end after 0 s"):
        run(
            "get it",
            ("sh", "-c", "sleep 60"),
            cwd=tmp_path,
            env=os.environ,
            line=lambda _: None,
            limit_seconds=0.2,
        )


def test_incomplete_result_is_no_result(environ: dict[str, str]) -> None:
    """A build that ends well without its program is an error, not an entry."""
    with pytest.raises(BuildError, match="without bin/toy"):
        build(recipe(shell("true")), environ, Silent())
    assert entries(environ) == []


def test_interrupted_build_ends_its_children(environ: dict[str, str], tmp_path: Path) -> None:
    """Ctrl-C ends the compiler and what it started, and removes the scratch directory."""
    pid_file = tmp_path / "pid"
    script = """
import os
from tests_toy import toy
from wiltonos_otel.stack.native.build import Silent, build
build(toy, os.environ, Silent())
"""
    module = f"""
from wiltonos_otel.stack.native.recipe import Command, Recipe
step = Command("compile", 1, ("sh", "-c", 'sleep 60 & echo $! > "{pid_file}.new"; '
               'mv "{pid_file}.new" "{pid_file}"; wait'))
toy = Recipe("toy", "Toy", "1.0", (step,), produces=("bin/toy",))
"""
    (tmp_path / "tests_toy.py").write_text(module)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    until(pid_file.exists)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    child = Path("/proc") / pid_file.read_text().strip()
    until(lambda: not child.exists() or "State:\tZ" in (child / "status").read_text())
    assert entries(environ) == []


def test_remains_of_a_killed_build_are_removed(environ: dict[str, str]) -> None:
    """A scratch directory that nobody cleaned up goes with the next build."""
    remains = cache.directory(environ) / ".toy.killed"
    remains.mkdir(parents=True)
    build(recipe(Place("source", b""), MAKES_IT), environ, Silent())
    assert not remains.exists()


def test_unwritable_cache_is_one_line(tmp_path: Path) -> None:
    """The error names the directory and the variable that moves it."""
    (tmp_path / "file").touch()
    toy = recipe(Place("source", b""), MAKES_IT)
    with pytest.raises(WiltonosError, match="XDG_CACHE_HOME"):
        build(toy, {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}, Silent())


def test_named_directory_of_programs_is_used(tmp_path: Path) -> None:
    """WILTONOS_NATIVE_BIN replaces every build."""
    for name in native.STACK:
        (tmp_path / name).touch(mode=0o755)
    environ = {native.ENV_BIN: str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "none")}
    found = native.installed(environ)
    assert found is not None
    assert found.otelcol == tmp_path / "otelcol"
    assert native.missing(environ) == ()


def test_named_directory_without_a_program_is_one_line(tmp_path: Path) -> None:
    """A wrong WILTONOS_NATIVE_BIN is said, not built around."""
    with pytest.raises(WiltonosError, match=r"there is no program .*otelcol"):
        native.installed({native.ENV_BIN: str(tmp_path)})


def test_empty_cache_misses_the_three_programs(tmp_path: Path) -> None:
    """Bootstrap builds what runs, and no more."""
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    assert [r.name for r in native.missing(environ)] == ["otelcol", "alertmanager", "prometheus"]
    assert native.installed(environ) is None
    assert all(find(r, environ) is None for r in recipes.extras())


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
