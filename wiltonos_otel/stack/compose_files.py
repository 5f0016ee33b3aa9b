"""What docker-compose.yml needs beside it: directories, secrets, configuration, and ``.env``."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import render
from wiltonos_otel.stack.addresses import COMPOSE_ADDRESSES, COMPOSE_FILES, JAEGER_TRACES
from wiltonos_otel.stack.locate import committed
from wiltonos_otel.stack.plan import Places, Plan
from wiltonos_otel.stack.tokens import ensure_token
from wiltonos_service.settings import checkout_directory

# services that keep data, each in a directory of its own
KEEPERS = ("notifier", "longevity", "collector", "prometheus", "alertmanager", "grafana")
OURS = ("exporter", "longevity", "notifier")
# who runs the containers when root runs bootstrap: "nonroot", as distroless images have it
NOBODY = 65532
_PREFIXES = ("WILTONOS_", "COMPOSE_PROJECT_NAME=", "COMPOSE_PROFILES=")
_MADE_BY = "# The WILTONOS_ and COMPOSE_ lines are made by: wt metrics bootstrap --compose"


@dataclass(frozen=True, slots=True)
class Owner:
    """The user under which the containers run.

    Attributes:
        uid: user id.
        gid: group id.
    """

    uid: int
    gid: int

    @classmethod
    def of_this_process(cls) -> "Owner":
        """Who runs bootstrap; never root."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        uid = int(os.environ.get("SUDO_UID") or NOBODY)
        gid = int(os.environ.get("SUDO_GID") or NOBODY)
        return cls(uid or NOBODY, gid or NOBODY)

    def take(self, path: Path) -> None:
        """Make the path, and what is in it, belong to this user."""
        if os.geteuid() != 0:
            return
        for each in (path, *(path.rglob("*") if path.is_dir() else ())):
            os.chown(each, self.uid, self.gid, follow_symlinks=False)


def token_files(plan: Plan) -> dict[str, Path]:
    """The token of each of our services; in containers all of them listen beyond loopback."""
    files = {name: plan.places.secrets / f"{name}_token" for name in OURS}
    if plan.token_file is not None:
        files["notifier"] = plan.token_file
    return files


def prepare(plan: Plan) -> None:
    """Make everything that the compose file mounts, owned by who runs the containers.

    Raises:
        WiltonosError: something cannot be made.
    """
    owner = Owner.of_this_process()
    data = plan.places.compose
    try:
        for directory in (*(data / name for name in KEEPERS), plan.state_dir, plan.places.secrets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, token in token_files(plan).items():
            ensure_token(token)
            if name == "notifier" and plan.settings.notifier.bearer_token:
                token.write_text(f"{plan.settings.notifier.bearer_token}\n", "utf-8")
        rendered = data / "rendered"
        render.write(rendered, _render(plan))
        # root's own file may be closed to the user of the containers: they get a copy
        copy = plan.config.read_bytes() if plan.config else b""
        (data / "wiltonos.toml").write_bytes(copy)
        for path in (data, plan.places.secrets, *token_files(plan).values()):
            owner.take(path)
        if plan.demo:
            owner.take(plan.state_dir)
        _write_env(plan.places.env, variables(plan, owner))
    except OSError as error:
        raise WiltonosError(f"{error.filename}: {error.strerror}; make it writable") from None


def _diary(plan: Plan) -> dict[str, str]:
    """A demo keeps its doses in a database of its own; otherwise the configuration decides."""
    database = f"sqlite:////srv/wiltonos/var/{plan.places.demo_diary.name}"
    return {"WILTONOS__LONGEVITY__DATABASE": database} if plan.demo else {}


def variables(plan: Plan, owner: Owner) -> dict[str, str]:
    """The variables of docker-compose.yml; paths are absolute."""
    ports = plan.ports
    data = plan.places.compose
    suffix = f"-{plan.port_offset}" if plan.port_offset else ""
    return {
        "COMPOSE_PROJECT_NAME": f"wiltonos{suffix}",
        "COMPOSE_PROFILES": ",".join(
            name for name, on in (("demo", plan.demo), ("tracing", jaeger(plan))) if on
        ),
        "WILTONOS_TRACES": "true" if plan.tracing else "false",
        "WILTONOS_UID": str(owner.uid),
        "WILTONOS_GID": str(owner.gid),
        "WILTONOS_CONTEXT": str(_context()),
        "WILTONOS_TOML": str(_configuration(plan, data)),
        "WILTONOS_SECRETS": str(plan.places.secrets),
        "WILTONOS_NOTIFIER_TOKEN": str(token_files(plan)["notifier"]),
        "WILTONOS_DATA": str(data),
        "WILTONOS_STATE": str(plan.state_dir),
        **_diary(plan),
        "WILTONOS_SIMULATED": "true" if plan.demo else "false",
        "WILTONOS_RENDERED": str(data / "rendered"),
        "WILTONOS_GRAFANA": str(committed("grafana")),
        "WILTONOS_EXPORTER_PORT": str(ports.exporter),
        "WILTONOS_LONGEVITY_PORT": str(ports.longevity),
        "WILTONOS_NOTIFIER_PORT": str(ports.notifier),
        "WILTONOS_OTLP_GRPC_PORT": str(ports.otlp_grpc),
        "WILTONOS_OTLP_HTTP_PORT": str(ports.otlp_http),
        "WILTONOS_COLLECTOR_METRICS_PORT": str(ports.collector_metrics),
        "WILTONOS_COLLECTOR_HEALTH_PORT": str(ports.collector_health),
        "WILTONOS_PROMETHEUS_PORT": str(ports.prometheus),
        "WILTONOS_ALERTMANAGER_PORT": str(ports.alertmanager),
        "WILTONOS_GRAFANA_PORT": str(ports.grafana),
        "WILTONOS_JAEGER_PORT": str(ports.jaeger),
    }


def jaeger(plan: Plan) -> bool:
    """Whether the Jaeger of the profile ``tracing`` keeps the traces, and nothing else does."""
    return plan.tracing and not plan.settings.telemetry.traces_endpoint


def _configuration(plan: Plan, data: Path) -> Path:
    mine = plan.config is not None and os.geteuid() != 0
    return plan.config if mine and plan.config else data / "wiltonos.toml"


def _context() -> Path:
    root = checkout_directory()
    if root is None:
        raise WiltonosError(
            "the image of our services is built from a checkout; run bootstrap --compose in one, "
            "or use --native"
        )
    return root


def _render(plan: Plan) -> dict[str, str]:
    """The compose variant under the policy in force, with the addresses that people see."""
    addresses = replace(
        COMPOSE_ADDRESSES,
        prometheus_public=plan.ports.url("prometheus"),
        alertmanager_public=plan.ports.url("alertmanager"),
        notifier_public=plan.ports.url("notifier"),
        traces=_traces(plan),
    )
    return render.render(
        addresses,
        COMPOSE_FILES,
        plan.settings.policy,
        stale_after_seconds=plan.settings.source.stale_after_seconds,
    )


def _traces(plan: Plan) -> str:
    return (plan.settings.telemetry.traces_endpoint or JAEGER_TRACES) if plan.tracing else ""


def _write_env(file: Path, values: dict[str, str]) -> None:
    """Put our variables into the file, and leave what else somebody keeps there."""
    kept = _foreign_lines(file)
    ours = [f"{name}={_literal(value)}" for name, value in values.items()]
    partial = file.with_name(f"{file.name}.new")
    partial.write_text("\n".join([*kept, _MADE_BY, *ours]) + "\n", "utf-8")
    partial.replace(file)


def forget_variables(places: Places) -> None:
    """Take our variables out of ``.env``; without other lines the file goes."""
    if not places.env.exists():
        return
    kept = _foreign_lines(places.env)
    if kept:
        places.env.write_text("\n".join(kept) + "\n", "utf-8")
    else:
        places.env.unlink()


def _foreign_lines(file: Path) -> list[str]:
    if not file.exists():
        return []
    lines = file.read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith((*_PREFIXES, _MADE_BY))]


def _literal(value: str) -> str:
    """The value in single quotes, in which Compose expands nothing."""
    if "'" in value or "\n" in value:
        raise WiltonosError(f"{value!r} cannot stand in .env; choose a path without quotes")
    return f"'{value}'"
