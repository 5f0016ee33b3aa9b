"""``wt metrics``: wrong usage is one line, and nothing is started for it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ports import free_offset
from wiltonos_otel.stack.native import recipes

WT = Path(sys.executable).with_name("wt")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a directory without a stack."""
    (tmp_path / "wiltonos.toml").touch()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WILTONOS_")}
    return {**inherited, "WILTONOS_CONFIG": str(tmp_path / "wiltonos.toml")}


def wt(env: dict[str, str], *words: str) -> tuple[int, str]:
    """Run ``wt metrics …``: exit code and the one line that it says."""
    done = subprocess.run(
        [WT, "metrics", *words], capture_output=True, text=True, env=env, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("command", ["status", "logs", "doctor"])
def test_without_a_stack_bootstrap_is_named(env: dict[str, str], command: str) -> None:
    """Exit 1 and how to start one."""
    code, said = wt(env, command)
    assert code == 1
    assert "wt metrics bootstrap" in said
    assert "\n" not in said


def test_down_without_a_stack_is_done(env: dict[str, str]) -> None:
    """What is wanted is so already."""
    assert wt(env, "down") == (0, "No stack was up here.")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--native", "--compose"), "exclude each other"),
        (("--native", "--port-offset", "60000"), "choose a smaller offset"),
        (("--native", "--config", "nowhere.toml"), "there is no file nowhere.toml"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line(
    env: dict[str, str], tmp_path: Path, words: tuple[str, ...], wanted: str
) -> None:
    """Nothing is made for a command that makes no sense."""
    code, said = wt(env, "bootstrap", *words)
    assert code == 2
    assert wanted in said
    assert "\n" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wiltonos.toml"]


def test_impossible_policy_is_refused_before_anything_starts(
    env: dict[str, str], tmp_path: Path
) -> None:
    """The line names file, table and arithmetic."""
    (tmp_path / "wiltonos.toml").write_text("[coherence]\nmax_rate_per_minute = 2.4\n")
    code, said = wt(env, "bootstrap", "--native", "--demo")
    assert code == 2
    assert "can never happen" in said
    assert not (tmp_path / "var").exists()


def test_demo_does_not_write_over_real_state(env: dict[str, str], tmp_path: Path) -> None:
    """Simulated files go where no real ones are."""
    state = tmp_path / "mine"
    state.mkdir()
    (state / "quantum_state.json").write_text('{"phi": 0.75}')
    code, said = wt(env, "bootstrap", "--native", "--demo", "--state", str(state))
    assert code == 2
    assert "would write over them" in said
    assert (state / "quantum_state.json").read_text() == '{"phi": 0.75}'


def test_taken_port_is_named_and_nothing_starts(env: dict[str, str], tmp_path: Path) -> None:
    """The line names the port, what needs it and who has it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / "wiltonos.toml").write_text(
            f'[notifier]\nalertmanager_url = "http://127.0.0.1:{port}"\n'
        )
        offset = str(free_offset())
        code, said = wt(env, "bootstrap", "--native", "--demo", "--port-offset", offset)
    assert code == 1
    assert f"port {port}, needed by Alertmanager" in said
    assert f"(process {os.getpid()})" in said
    assert "\n" not in said
    assert not (tmp_path / "var/stack.json").exists()


def test_compose_without_an_engine_says_so(env: dict[str, str], tmp_path: Path) -> None:
    """The way out is named, and nothing is left half made."""
    code, said = wt({**env, "PATH": str(tmp_path)}, "bootstrap", "--compose", "--demo")
    assert code == 1
    assert "--native" in said
    assert not (tmp_path / ".env").exists()


def test_pin_without_docker_is_one_line(env: dict[str, str], tmp_path: Path) -> None:
    """No registry, no digest, and the file stays as it is."""
    code, said = wt({**env, "PATH": str(tmp_path)}, "pin")
    assert code == 1
    assert said.startswith("wt: no digest was written")
    assert "\n" not in said


def test_build_says_where_the_programs_are_when_all_are_there(
    env: dict[str, str], tmp_path: Path
) -> None:
    """Silence would leave open whether it did anything."""
    kept = tmp_path / "wiltonos" / "native"
    for recipe in (*recipes.programs(), *recipes.extras()):
        for file in recipe.produces:
            (kept / recipe.directory / file).parent.mkdir(parents=True, exist_ok=True)
            (kept / recipe.directory / file).touch()
    assert wt({**env, "XDG_CACHE_HOME": str(tmp_path)}, "build") == (0, f"All built, in {kept}.")
