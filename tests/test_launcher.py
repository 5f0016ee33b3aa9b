"""The launcher ``wt``: each way in which a machine is not fit gives one line that helps."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("sh", "cat", "cmp", "cp", "dirname", "grep", "mkdir", "readlink", "rm", "sleep")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the launcher and a lock file, and nothing installed."""
    root = tmp_path / "checkout"
    (root / "requirements").mkdir(parents=True)
    for name in ("run", "installer"):
        (root / "requirements" / f"{name}.lock").write_text("# nothing\n")
    shutil.copy(ROOT / "wt", root / "wt")
    return root


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH of its own: the shell's tools, and neither Python nor uv."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (directory / name).symlink_to(found)
    return directory


def _script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def _start(checkout: Path, programs: Path, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, str(checkout / "wt"), "--version"],
        env={"PATH": str(programs), "HOME": str(checkout)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def _fit_python(programs: Path) -> None:
    (programs / "python3").symlink_to(sys.executable)


def test_no_python_is_one_line_that_says_what_to_install(checkout: Path, programs: Path) -> None:
    """A machine without Python is told the version it needs and how to name one."""
    line = _last_line(_start(checkout, programs))
    assert "needs Python 3.11 or newer, and found none" in line
    assert "WT_PYTHON=" in line


def test_an_old_python_is_named(checkout: Path, programs: Path) -> None:
    """A machine whose Python is too old is told which one was found."""
    _script(programs / "python3", '[ "$1" = --version ] && echo "Python 3.9.2" && exit 0; exit 1')
    assert "found only Python 3.9.2" in _last_line(_start(checkout, programs))


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("error: Failed to fetch: dns error", "check the network or the proxy"),
        ("error: Permission denied (os error 13)", "give yourself write permission"),
        ("error: No space left on device", "the disk is full"),
        ("error: Hash mismatch for `x==1`", "does not match its hash"),
    ],
)
def test_a_failed_installation_says_what_to_mend(
    checkout: Path, programs: Path, report: str, says: str
) -> None:
    """The installer's report becomes one line, and the next start tries again."""
    _fit_python(programs)
    _script(programs / "uv", f"echo '{report}' >&2; exit 2")
    for _ in range(2):
        assert says in _last_line(_start(checkout, programs))
        assert not (checkout / ".venv.lock").exists()


def test_a_directory_without_write_permission_is_named(checkout: Path, programs: Path) -> None:
    """Somebody else's checkout cannot be installed into, and the line says so."""
    _fit_python(programs)
    checkout.chmod(0o555)
    drop = (
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if not os.getuid() else []
    )
    if drop:
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere, and there is no setpriv to drop it")
        (programs / "python3").unlink()
        _script(programs / "python3", "exit 0")
        for directory in (checkout.parent, *checkout.parent.parents[:3]):
            directory.chmod(0o755)
        drop[0] = shutil.which("setpriv") or ""
    line = _last_line(_start(checkout, programs, *drop))
    assert f"cannot write to {checkout}" in line


# a Python whose venv holds a pip that writes down what it is told
VENV = """
case $2 in venv) ;; *) exit 0 ;; esac
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<'END'
#!/bin/sh
echo "pip $*" >>"$HOME/said"
case $* in
*installer.lock*) [ -e "$HOME/no-uv" ] && exit 1; cp "$HOME/uv" "${0%/*}/uv" ;;
*run.lock*) ;;
*) cp "$HOME/wt-of-a-venv" "${0%/*}/wt" ;;
esac
END
chmod +x "$3/bin/pip"
"""


@pytest.mark.parametrize("uv", [True, False])
def test_without_uv_the_launcher_brings_its_own_or_goes_on_with_pip(
    checkout: Path, programs: Path, uv: bool
) -> None:
    """A machine that has only Python installs by a pinned uv, and by pip where that fails."""
    _script(programs / "python3", VENV)
    (programs / "chmod").symlink_to(shutil.which("chmod") or "")
    _script(checkout / "wt-of-a-venv", "echo ran")
    _script(
        checkout / "uv",
        'echo "uv $*" >>"$HOME/said"; cp "$HOME/wt-of-a-venv" "${0%/*}/wt"',
    )
    if not uv:
        (checkout / "no-uv").touch()
    done = _start(checkout, programs)
    assert done.stdout == "ran\n", done
    said = (checkout / "said").read_text().splitlines()
    assert "--require-hashes" in said[0]
    assert "installer.lock" in said[0]
    assert [line.split()[0] for line in said[1:]] == ["uv" if uv else "pip"] * 2
    assert "--require-hashes" in said[1]
    assert "run.lock" in said[1]


def test_a_lock_of_a_dead_start_is_taken_over(checkout: Path, programs: Path) -> None:
    """A start that was killed while installing does not stop the next one."""
    _fit_python(programs)
    _script(programs / "uv", "echo dns error >&2; exit 2")
    (checkout / ".venv.lock").mkdir()
    (checkout / ".venv.lock" / "pid").write_text("999999999\n")
    assert "check the network" in _last_line(_start(checkout, programs))


def test_an_installed_checkout_starts_at_once(checkout: Path, programs: Path) -> None:
    """With everything in place the launcher adds at most 0.3 s, and passes arguments on."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    shutil.copy(checkout / "requirements" / "run.lock", venv / ".installed-run.lock")
    _script(venv / "bin" / "wt", 'echo "ran $*"')
    link = checkout.parent / "link-to-wt"
    link.symlink_to(checkout / "wt")
    started = time.monotonic()
    done = subprocess.run(
        [str(link), "phi", "a b"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert time.monotonic() - started < 0.3
    assert done.stdout == "ran phi a b\n"
