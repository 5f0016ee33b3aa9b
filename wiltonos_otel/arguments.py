"""What ``configure()`` was called with, and what of a further call comes too late."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.metrics import MeterProvider

    from wiltonos_otel.policy import Policy

STALE_AFTER_SECONDS = 60.0
# names of loops; a program that makes more has put something into the name that varies
MAX_LOOPS = 1000
# too long to be shown
_LONG = ("policy", "meter_provider")


@dataclass(frozen=True)
class Arguments:
    """The arguments of ``configure()``; what is at its default states nothing."""

    service_name: str | None = None
    otlp_endpoint: str | None = None
    export_interval_seconds: float | None = None
    instance_id: str | None = None
    policy: "Policy | None" = None
    stale_after_seconds: float = STALE_AFTER_SECONDS
    max_loops: int = MAX_LOOPS
    config: "str | Path | None" = None
    meter_provider: "MeterProvider | None" = None
    handle_sigterm: bool = True

    def concerns_provider(self) -> bool:
        """Whether it states something that a MeterProvider decides that is there already."""
        return bool(
            self.service_name
            or self.instance_id
            or self.otlp_endpoint
            or self.export_interval_seconds
        )

    def too_late(self, first: "Arguments", in_force: Mapping[str, object]) -> list[str]:
        """What this call states and does not get, each with what is in force instead.

        Args:
            first: the call that took effect.
            in_force: what came of it, by the name of the argument.
        """
        late = []
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(first, field.name)
            now = in_force.get(field.name, theirs)
            if mine in (field.default, theirs, now):
                continue
            stated = field.name if field.name in _LONG else f"{field.name}={mine}"
            late.append(f"{stated} (in force: {'another' if field.name in _LONG else now})")
        return late
