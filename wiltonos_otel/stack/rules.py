"""The Prometheus rules of WiltonOS, generated from the coherence policy."""

from collections.abc import Iterator
from typing import Any

import yaml

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules_burn, rules_coherence, rules_pipeline
from wiltonos_otel.stack.rules_model import Alert, Group

# default of [source] stale_after_seconds
STALE_AFTER_SECONDS = 60.0
MADE_BY = "# Made by `wt rules build` from the policy in wiltonos.toml; edit that.\n"


def groups(policy: Policy, stale_after_seconds: float = STALE_AFTER_SECONDS) -> tuple[Group, ...]:
    """All groups of rules under a policy, in the order of the file."""
    return (
        *rules_coherence.groups(policy, stale_after_seconds),
        *rules_burn.groups(policy),
        *rules_pipeline.groups(policy),
    )


def alerts(policy: Policy, stale_after_seconds: float = STALE_AFTER_SECONDS) -> Iterator[Alert]:
    """Every alerting rule."""
    for group in groups(policy, stale_after_seconds):
        yield from (rule for rule in group.rules if isinstance(rule, Alert))


def to_yaml(policy: Policy, *, stale_after_seconds: float, runbooks: str) -> str:
    """The rule file, the same text for the same policy.

    Args:
        policy: the thresholds.
        stale_after_seconds: age at which a source is stale.
        runbooks: URL under which the runbooks are, one per alert name.
    """
    content = {
        "groups": [
            {
                "name": group.name,
                "interval": f"{group.interval_seconds}s",
                "rules": [rule.rule(runbooks) for rule in group.rules],
            }
            for group in groups(policy, stale_after_seconds)
        ]
    }
    return MADE_BY + yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
