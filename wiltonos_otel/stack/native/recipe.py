"""What it takes to build a program: pure values, and the hash that names a build of them."""

import platform
from dataclasses import dataclass
from hashlib import sha256
from typing import assert_never

# how usual durations were measured: two cores, warm network, empty build cache
USUAL_CORES = 2
# no debug information, and one thread per compiler (the build runs one per core already):
# together a fifth less work. All builds share these flags, and so share compiled packages.
GO_FLAGS = "-trimpath '-gcflags=all=-dwarf=false -c=1'"


@dataclass(frozen=True, slots=True)
class Command:
    """Run a program in the work directory.

    Attributes:
        title: what a person reads meanwhile.
        seconds: how long it usually takes on two cores.
        argv: the words; ``{go}``, ``{npm}``, ``{work}`` and ``{out}`` are filled in.
        directory: where to run it, relative to the work directory.
    """

    title: str
    seconds: int
    argv: tuple[str, ...]
    directory: str = "."


@dataclass(frozen=True, slots=True)
class CopyModule:
    """Download a Go module (checked against the checksum database) and copy its files.

    Attributes:
        title: what a person reads meanwhile.
        seconds: how long it usually takes on two cores.
        module: path@version.
        subtree: the part of it that is copied.
        into: where to, relative to the work directory.
    """

    title: str
    seconds: int
    module: str
    into: str
    subtree: str = "."


@dataclass(frozen=True, slots=True)
class Place:
    """Write a file into the work directory.

    Attributes:
        path: where, relative to the work directory.
        content: its bytes.
    """

    path: str
    content: bytes
    title: str = "place files"
    seconds: int = 0


Step = Command | CopyModule | Place


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one part of the native stack is built from published modules.

    Attributes:
        name: directory name of the result.
        title: how people call the part.
        version: the version that it builds.
        steps: in order.
        produces: files that the result must hold, relative to it.
    """

    name: str
    title: str
    version: str
    steps: tuple[Step, ...]
    produces: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with what is built, on what system and processor."""
        steps = tuple(_essence(step) for step in self.steps)
        what = (self.version, steps, self.produces, GO_FLAGS, platform.system(), platform.machine())
        return sha256(repr(what).encode()).hexdigest()[:12]

    @property
    def directory(self) -> str:
        """Name of the directory in the cache that holds the result."""
        return f"{self.name}-{self.version}-{self.digest}"

    @property
    def needs_node(self) -> bool:
        """Whether a step needs Node and npm."""
        return any(isinstance(step, Command) and "{npm}" in step.argv for step in self.steps)

    @property
    def needs_go(self) -> bool:
        """Whether a step needs Go."""
        return any(
            isinstance(step, CopyModule) or (isinstance(step, Command) and "{go}" in step.argv)
            for step in self.steps
        )

    def usual_seconds(self, cores: int) -> int:
        """How long a build with an empty cache usually takes."""
        return sum(usual_seconds(step, cores) for step in self.steps)


def _essence(step: Step) -> tuple[object, ...]:
    """What a step does; how it is called and how long it takes is no part of that."""
    match step:
        case Command():
            return step.argv, step.directory
        case CopyModule():
            return step.module, step.into, step.subtree
        case Place():
            return step.path, step.content
        case _:
            assert_never(step)


def usual_seconds(step: Step, cores: int) -> int:
    """How long a step usually takes on that many cores; more than eight do not help."""
    return round(step.seconds * USUAL_CORES / max(1, min(cores, 8)))
