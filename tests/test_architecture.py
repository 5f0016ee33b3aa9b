"""The shape of the code: who imports whom, how large things are, what is public."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("wiltonos_otel", "wiltonos_service", "notifier")
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))

PURE = (
    "wiltonos_otel/phi",
    "wiltonos_otel/policy.py",
    "wiltonos_otel/instruments/catalogue.py",
    "notifier/alerts.py",
    "notifier/grafana.py",
    "notifier/incident",
    "notifier/deliver/outcome.py",
    "notifier/deliver/backoff.py",
    "notifier/deliver/pacing.py",
    "notifier/silences/following.py",
    "notifier/silences/links.py",
    "notifier/silences/model.py",
    "wiltonos_service/web/access.py",
)
IMPURE_MODULES = {
    "aiohttp", "asyncio", "logging", "opentelemetry", "os", "random", "socket", "sqlalchemy",
    "sqlite3", "structlog", "subprocess", "threading", "time",
}  # fmt: skip


def _imports(path: Path) -> Iterator[str]:
    """Every module that the file imports at run time, at any depth."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.unparse(guard.test)
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_packages_keep_their_distance(path: Path) -> None:
    """The two products do not import each other, and the shared leaf imports neither."""
    forbidden = {
        "wiltonos_otel": {"notifier"},
        "notifier": {"wiltonos_otel"},
        "wiltonos_service": {"notifier", "wiltonos_otel"},
    }[path.relative_to(ROOT).parts[0]]
    assert not {name for name in _imports(path) if name.partition(".")[0] in forbidden}


@pytest.mark.parametrize("path", [p for p in SOURCES if _name(p).startswith(PURE)], ids=_name)
def test_pure_layers_do_no_input_or_output(path: Path) -> None:
    """Pure modules import no I/O, no clock, no telemetry and no logging."""
    assert not {name for name in _imports(path) if name.partition(".")[0] in IMPURE_MODULES}


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_stay_readable(path: Path) -> None:
    """No file is longer than 400 lines and no function longer than 60."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    long = [
        f"{node.name} {node.end_lineno - node.lineno}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > 60
    ]
    assert not long


def _graph() -> dict[str, set[str]]:
    """First-party imports that run when a module is loaded."""
    modules = {_module(path): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        tree = ast.parse(path.read_text("utf-8"))
        found: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                nested = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update(nested & modules.keys() or {node.module})
        graph[module] = {name for name in found if name in modules and name != module}
    return graph


def test_there_is_no_import_cycle() -> None:
    """The import graph of the three packages has no cycle."""
    graph = _graph()
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_every_module_can_be_imported() -> None:
    """Each loads without a warning, whichever Python this is."""
    for module in map(_module, SOURCES):
        # alembic runs these, with a connection in its hand
        if not module.endswith(".migrations.env"):
            importlib.import_module(module)


@pytest.mark.parametrize("package", ["wiltonos_otel"])
def test_public_names_exist_and_are_sorted(package: str) -> None:
    """``__all__`` is sorted, and every name in it is there."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == list(module.__all__)
    assert not [name for name in module.__all__ if not hasattr(module, name)]
