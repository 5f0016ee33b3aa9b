"""Builds a recipe into the cache: once, whole or not at all, interruptible at any moment."""

import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, assert_never

from wiltonos_otel.stack.native import cache
from wiltonos_otel.stack.native.recipe import (
    GO_FLAGS,
    Command,
    CopyModule,
    Place,
    Recipe,
    Step,
    usual_seconds,
)
from wiltonos_otel.stack.native.run import BuildError, run
from wiltonos_otel.stack.native.toolchain import find_go, find_npm

# documents are no part of a build; some testdata is (promtool embeds it)
_LEFT_OUT = shutil.ignore_patterns("docs", "documentation", ".github")


class Watcher(Protocol):
    """Is told how a build goes."""

    def waiting(self, recipe: Recipe) -> None:
        """Another process builds the same; we wait for it."""

    def step(self, recipe: Recipe, title: str, usual: int) -> None:
        """A step begins that usually takes so many seconds."""

    def line(self, text: str) -> None:
        """The step wrote a line."""

    def note(self, text: str) -> None:
        """Something that the person should know."""

    def done(self, recipe: Recipe, seconds: float) -> None:
        """The recipe is in the cache; it took so long."""


class Silent:
    """A watcher that says nothing."""

    def waiting(self, recipe: Recipe) -> None:
        """Say nothing."""

    def step(self, recipe: Recipe, title: str, usual: int) -> None:
        """Say nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def done(self, recipe: Recipe, seconds: float) -> None:
        """Say nothing."""


def find(recipe: Recipe, environ: Mapping[str, str]) -> Path | None:
    """The finished build of a recipe, or None."""
    entry = cache.directory(environ) / recipe.directory
    return entry if all((entry / file).is_file() for file in recipe.produces) else None


def build(recipe: Recipe, environ: Mapping[str, str], watcher: Watcher) -> Path:
    """The finished build of a recipe, built if it is not in the cache.

    Raises:
        BuildError: a step failed; what was finished before stays.
        WiltonosError: the cache cannot be written.
    """
    directory = cache.directory(environ)
    entry = directory / recipe.directory
    with cache.locked(directory, recipe.name, lambda: watcher.waiting(recipe)):
        if found := find(recipe, environ):
            return found
        begun = time.monotonic()
        with cache.workshop(directory, recipe.name) as work:
            _Bench(recipe, directory, work, environ, watcher).work_off()
            _check(recipe, work / "result")
            # an entry that lacks a file was not made by us: builds appear whole
            shutil.rmtree(entry, ignore_errors=True)
            cache.install(work / "result", entry)
        watcher.done(recipe, time.monotonic() - begun)
    return entry


def _check(recipe: Recipe, result: Path) -> None:
    for file in recipe.produces:
        if not (result / file).is_file():
            raise BuildError(f"{recipe.title}: the build ended without {file}; report this")


class _Bench:
    """One build under way: its directories and its tools."""

    def __init__(
        self,
        recipe: Recipe,
        directory: Path,
        work: Path,
        environ: Mapping[str, str],
        watcher: Watcher,
    ) -> None:
        self.recipe = recipe
        self.work = work
        self.watcher = watcher
        path: list[str] = []
        self.go = ""
        self.npm: tuple[str, ...] = ()
        if recipe.needs_go:
            go = find_go(directory, environ, watcher.note)
            self.go = go.argv[0]
            path.append(str(go.directory))
        if recipe.needs_node:
            npm = find_npm(directory, environ, watcher.note)
            self.npm = npm.argv
            path.insert(0, str(npm.directory))
        self.env = _environment(environ, work, path)

    def work_off(self) -> None:
        """Do all steps of the recipe."""
        (self.work / "result").mkdir()
        cores = os.cpu_count() or 1
        for step in self.recipe.steps:
            if step.seconds:
                self.watcher.step(self.recipe, step.title, usual_seconds(step, cores))
            self._do(step)

    def _do(self, step: Step) -> None:
        match step:
            case Place():
                target = self.work / step.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(step.content)
            case CopyModule():
                self._copy(step)
            case Command():
                self._run(step.title, self._words(step), self.work / step.directory)
            case _:
                assert_never(step)

    def _words(self, command: Command) -> list[str]:
        places = {"{work}": str(self.work), "{out}": str(self.work / "result"), "{go}": self.go}
        words: list[str] = []
        for word in command.argv:
            if word == "{npm}":
                words.extend(self.npm)
                continue
            for mark, value in places.items():
                word = word.replace(mark, value)  # noqa: PLW2901 - filled in mark by mark
            words.append(word)
        return words

    def _copy(self, step: CopyModule) -> None:
        argv = [self.go, "mod", "download", "-json", step.module]
        answer = self._run(step.title, argv, self.work)
        try:
            source = Path(json.loads(answer[answer.index("{") :])["Dir"])
        except (ValueError, KeyError):
            raise BuildError(f"{step.title} {step.module}: {answer.strip()[:300]}") from None
        target = self.work / step.into
        shutil.copytree(
            source / step.subtree,
            target,
            ignore=_LEFT_OUT,
            copy_function=shutil.copyfile,
            dirs_exist_ok=True,
        )
        # the module cache is read-only, and copytree takes the modes of directories along
        for directory in (target, *(path for path in target.rglob("*") if path.is_dir())):
            directory.chmod(stat.S_IRWXU)

    def _run(self, title: str, argv: list[str], cwd: Path) -> str:
        name = f"{self.recipe.title}, {title}"
        return run(name, argv, cwd=cwd, env=self.env, line=self.watcher.line)


def _environment(environ: Mapping[str, str], work: Path, path: list[str]) -> dict[str, str]:
    """The user's environment (proxies, module proxy, caches), with what the build depends on."""
    local = [str(work / "node_modules" / ".bin"), *path, environ.get("PATH", os.defpath)]
    return {
        **environ,
        "PATH": os.pathsep.join(local),
        "CGO_ENABLED": "0",
        "GOBIN": str(work / "bin"),
        "GOFLAGS": GO_FLAGS,
        "GOGC": "400",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CI": "true",
    }


def build_all(
    recipes: tuple[Recipe, ...],
    environ: Mapping[str, str],
    watcher: Watcher,
    *,
    each: Callable[[Recipe, Path], None] = lambda _recipe, _path: None,
) -> None:
    """Build the recipes one after the other; ``each`` is called as soon as one is there."""
    for recipe in recipes:
        each(recipe, build(recipe, environ, watcher))
