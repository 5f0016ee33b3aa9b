"""The recipes of the native stack: which module, which version, which commands.

Versions are those of docker-compose.yml. Prometheus 3.x.y is tagged v0.3xx.y as a Go module.
"""

import gzip
from functools import cache
from importlib.resources import files

from wiltonos_otel.stack.locate import committed
from wiltonos_otel.stack.native.brotli import stored
from wiltonos_otel.stack.native.recipe import Command, CopyModule, Place, Recipe

COLLECTOR_VERSION = "0.161.0"
ALERTMANAGER_VERSION = "0.34.2"
PROMETHEUS_VERSION = "3.15.1"
PROMETHEUS_MODULE = "github.com/prometheus/prometheus@v0.315.1"
ALERTMANAGER_MODULE = f"github.com/prometheus/alertmanager@v{ALERTMANAGER_VERSION}"
PNPM = "pnpm@10.34.8"

_UI = "prometheus/web/ui"
_STATIC = f"{_UI}/static"
# the cloud service discoveries are two thirds of Prometheus' dependencies, and unused here
_PROMETHEUS_TAGS = "netgo,remove_all_sd"
_VERSION_VARIABLE = "github.com/prometheus/common/version.Version"


def _go_build(title: str, seconds: int, version: str, directory: str, *packages: str) -> Command:
    # without symbol tables: they cost a third of the linking time and half of the disk
    flags = f"-s -w -X {_VERSION_VARIABLE}={version}"
    tags = ("-tags", _PROMETHEUS_TAGS) if directory == "prometheus" else ()
    argv = ("{go}", "build", *tags, "-ldflags", flags, "-o", "{out}/bin/", *packages)
    return Command(title, seconds, argv, directory)


@cache
def collector() -> Recipe:
    """The OpenTelemetry Collector with the components of ``collector/builder.yaml`` only.

    Its sources are committed as the Collector's builder made them (``collector/generate``):
    go.sum then pins every module, and a build needs neither the builder nor its downloads.
    """
    sources = sorted(committed("collector/generated").iterdir())
    target = ("-o", "{out}/bin/otelcol", ".")
    return Recipe(
        name="otelcol",
        title="OpenTelemetry Collector",
        version=COLLECTOR_VERSION,
        steps=(
            *(Place(f"collector/{file.name}", file.read_bytes()) for file in sources),
            Command("compile", 120, ("{go}", "build", "-ldflags", "-s -w", *target), "collector"),
        ),
        produces=("bin/otelcol",),
    )


@cache
def alertmanager() -> Recipe:
    """Alertmanager and amtool; ``/`` is our page, since its own UI is not in the module."""
    page = files(__package__).joinpath("alertmanager.html").read_bytes()
    return Recipe(
        name="alertmanager",
        title="Alertmanager",
        version=ALERTMANAGER_VERSION,
        steps=(
            CopyModule("download", 10, ALERTMANAGER_MODULE, "alertmanager"),
            *_alertmanager_pages(page),
            _go_build(
                "compile",
                60,
                ALERTMANAGER_VERSION,
                "alertmanager",
                "./cmd/alertmanager",
                "./cmd/amtool",
            ),
        ),
        produces=("bin/alertmanager", "bin/amtool"),
    )


def _alertmanager_pages(page: bytes) -> tuple[Place, ...]:
    # a browser that accepts br or gzip gets 404 unless the page is there in that form
    forms = {"": page, ".gz": gzip.compress(page, mtime=0), ".br": stored(page)}
    return tuple(
        Place(f"alertmanager/ui/{ui}/dist/index.html{suffix}", content)
        for ui in ("app", "mantine-ui")
        for suffix, content in forms.items()
    )


@cache
def prometheus() -> Recipe:
    """Prometheus, without the cloud service discoveries."""
    return Recipe(
        name="prometheus",
        title="Prometheus",
        version=PROMETHEUS_VERSION,
        steps=(
            CopyModule("download", 10, PROMETHEUS_MODULE, "prometheus"),
            _go_build("compile", 110, PROMETHEUS_VERSION, "prometheus", "./cmd/prometheus"),
        ),
        produces=("bin/prometheus",),
    )


@cache
def promtool() -> Recipe:
    """promtool, on its own: it compiles a Kubernetes client that the stack does not need."""
    return Recipe(
        name="promtool",
        title="promtool",
        version=PROMETHEUS_VERSION,
        steps=(
            CopyModule("download", 5, PROMETHEUS_MODULE, "prometheus"),
            _go_build("compile", 70, PROMETHEUS_VERSION, "prometheus", "./cmd/promtool"),
        ),
        produces=("bin/promtool",),
    )


@cache
def prometheus_ui() -> Recipe:
    """Prometheus' web UI, served from a working directory that is called ``prometheus``."""
    pnpm = ("{work}/node_modules/.bin/pnpm",)
    packages = ("lezer-promql", "codemirror-promql", "mantine-ui")
    install = (*pnpm, "install", "--frozen-lockfile", "--filter", "@prometheus-io/mantine-ui...")
    return Recipe(
        name="prometheus-ui",
        title="Prometheus' web UI",
        version=PROMETHEUS_VERSION,
        steps=(
            CopyModule("download", 5, PROMETHEUS_MODULE, _UI, "web/ui"),
            Command("install pnpm", 3, ("{npm}", "install", "--no-save", "--no-audit", PNPM)),
            Command("install its packages", 12, install, _UI),
            *(
                Command(
                    f"build {package}",
                    7,
                    (*pnpm, "--filter", f"@prometheus-io/{package}", "run", "build"),
                    _UI,
                )
                for package in packages
            ),
            Command("take the pages", 1, ("mkdir", "-p", f"{{out}}/{_STATIC}")),
            Command(
                "take the pages",
                1,
                ("cp", "-R", f"{_UI}/mantine-ui/dist", f"{{out}}/{_STATIC}/mantine-ui"),
            ),
        ),
        produces=(f"{_STATIC}/mantine-ui/index.html",),
    )


def programs() -> tuple[Recipe, ...]:
    """The recipes that the stack cannot do without, in the order of the build."""
    return collector(), alertmanager(), prometheus()


def extras() -> tuple[Recipe, ...]:
    """The recipes of what checks configurations and of what is good to have."""
    return promtool(), prometheus_ui()
