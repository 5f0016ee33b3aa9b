"""``var/stack.json``: which stack is up, written by bootstrap, read by the other commands."""

import secrets
import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.plan import Plan

Mode = Literal["native", "compose"]


class NoStackError(WiltonosError):
    """There is no stack here to speak of."""


class Record(BaseModel):
    """A stack that was started.

    Attributes:
        stack_id: random; in the environment of every process of a native stack.
        mode: native or compose.
        base: base directory.
        config: configuration file, or None.
        port_offset: by how much the default ports were moved.
        ports: port by listener.
        state_dir: directory of the state files.
        demo: whether they are simulated.
        tokens: file of the token by service, where a service has one.
        channels: names of the chat channels.
        grafana: whether a Grafana belongs to it.
        tracing: whether alerts are traced on their way to the chats.
        jaeger: whether a Jaeger belongs to it.
        socket: supervisor's socket (native).
        complete: whether bootstrap came to its end.
    """

    model_config = ConfigDict(frozen=True)

    schema_name: Literal["wiltonos.stack/1"] = Field(default="wiltonos.stack/1", alias="schema")
    stack_id: str = Field(default_factory=lambda: secrets.token_hex(8))
    mode: Mode
    base: Path
    config: Path | None
    port_offset: int
    ports: dict[str, int]
    state_dir: Path
    demo: bool
    tokens: dict[str, Path]
    channels: tuple[str, ...] = ()
    grafana: bool = False
    tracing: bool = False
    jaeger: bool = False
    socket: Path | None = None
    complete: bool = False

    def differs_from(self, plan: Plan, mode: Mode) -> str:
        """What of this stack the plan wants otherwise, for people; "" when nothing."""
        moved = self.port_offset != plan.port_offset
        pairs = (
            (f"it runs as {self.mode}", self.mode != mode),
            (f"its port offset is {self.port_offset}", moved),
            ("its ports are others", not moved and self.ports != plan.ports.by_name()),
            ("it is a demo" if self.demo else "it is no demo", self.demo != plan.demo),
            ("it traces" if self.tracing else "it does not trace", self.tracing != plan.tracing),
            (f"it reads {self.state_dir}", self.state_dir != plan.state_dir),
            (
                f"its configuration is {self.config}"
                if self.config
                else f"it was started without {plan.config}",
                self.config != plan.config,
            ),
        )
        return ", ".join(text for text, differs in pairs if differs)

    @property
    def command(self) -> str:
        """What to type for this very stack."""
        words = ["wt", "metrics", "bootstrap", f"--{self.mode}"]
        words += ["--demo"] if self.demo else ["--state", str(self.state_dir)]
        words += ["--port-offset", str(self.port_offset)] if self.port_offset else []
        words += ["--config", str(self.config)] if self.config else []
        return " ".join(map(shlex.quote, words))


def describe(plan: Plan, mode: Mode, socket: Path | None = None) -> Record:
    """The record of a stack that is about to start."""
    return Record(
        mode=mode,
        base=plan.places.base,
        config=plan.config,
        port_offset=plan.port_offset,
        ports=plan.ports.by_name(),
        state_dir=plan.state_dir,
        demo=plan.demo,
        tracing=plan.tracing,
        tokens={"notifier": plan.token_file} if plan.token_file else {},
        channels=tuple(str(c.get("name")) for c in plan.settings.notifier.channels),
        socket=socket,
    )


def save(record: Record, file: Path) -> None:
    """Write the record, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.new")
    partial.write_text(record.model_dump_json(by_alias=True, indent=2) + "\n", "utf-8")
    partial.replace(file)


def load(file: Path) -> Record | None:
    """The record, or None when no stack was started.

    Raises:
        WiltonosError: the file is there, and is no record.
    """
    try:
        return Record.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise WiltonosError(
            f"{file} cannot be read as a record of a stack; remove it, and start again with "
            "wt metrics bootstrap"
        ) from None


def require(file: Path) -> Record:
    """The record.

    Raises:
        NoStackError: no stack was started.
        WiltonosError: the file is there, and is no record.
    """
    record = load(file)
    if record is None:
        raise NoStackError(f"no stack was started here ({file}); run: wt metrics bootstrap")
    return record
