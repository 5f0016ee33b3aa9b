"""The native stack: Collector, Prometheus and Alertmanager built from their Go modules."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.native import recipes
from wiltonos_otel.stack.native.build import Silent, Watcher, build, find
from wiltonos_otel.stack.native.recipe import Recipe
from wiltonos_otel.stack.native.run import BuildError

__all__ = [
    "BuildError",
    "Programs",
    "Recipe",
    "Silent",
    "Watcher",
    "build",
    "find",
    "installed",
    "missing",
    "program",
    "prometheus_pages",
]

ENV_BIN = "WILTONOS_NATIVE_BIN"
STACK = ("otelcol", "alertmanager", "prometheus")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs of the native stack are.

    Attributes:
        otelcol: the Collector.
        prometheus: Prometheus.
        alertmanager: Alertmanager.
    """

    otelcol: Path
    prometheus: Path
    alertmanager: Path


def program(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """A built program (``otelcol``, ``prometheus``, ``promtool``, ``alertmanager``, ``amtool``).

    Looked for in ``WILTONOS_NATIVE_BIN`` when it is set, else in the cache; None when it is
    not there.

    Raises:
        WiltonosError: ``WILTONOS_NATIVE_BIN`` names a directory without it.
    """
    environ = os.environ if environ is None else environ
    if stated := environ.get(ENV_BIN):
        file = Path(stated).absolute() / name
        if not os.access(file, os.X_OK):
            raise WiltonosError(f"{ENV_BIN}: there is no program {file}; unset it to build our own")
        return file
    for recipe in (*recipes.programs(), *recipes.extras()):
        if f"bin/{name}" in recipe.produces:
            found = find(recipe, environ)
            return found / "bin" / name if found else None
    raise ValueError(f"{name} is no part of the native stack")


def installed(environ: Mapping[str, str] | None = None) -> Programs | None:
    """The native stack, or None when a part of it is not built yet.

    Raises:
        WiltonosError: ``WILTONOS_NATIVE_BIN`` names a directory that lacks a program.
    """
    environ = os.environ if environ is None else environ
    found = {name: path for name in STACK if (path := program(name, environ))}
    if len(found) < len(STACK):
        return None
    return Programs(**found)


def prometheus_pages(environ: Mapping[str, str] | None = None) -> Path | None:
    """The directory ``web`` that holds Prometheus' built UI, or None."""
    found = find(recipes.prometheus_ui(), os.environ if environ is None else environ)
    return found / "prometheus" / "web" if found else None


def missing(environ: Mapping[str, str] | None = None) -> tuple[Recipe, ...]:
    """The recipes of the stack that are not built yet, in the order of the build."""
    environ = os.environ if environ is None else environ
    if environ.get(ENV_BIN):
        return ()
    return tuple(recipe for recipe in recipes.programs() if find(recipe, environ) is None)
