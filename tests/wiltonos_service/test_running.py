"""Operator commands find the stack that bootstrap started, unless they are told otherwise."""

import json
from pathlib import Path

import pytest

from wiltonos_service.running import with_running_stack


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration beside a running stack."""
    (tmp_path / "var").mkdir()
    record = {"port_offset": 20000, "tokens": {"notifier": "/x/notifier_token"}}
    (tmp_path / "var/stack.json").write_text(json.dumps(record))
    file = tmp_path / "wiltonos.toml"
    file.touch()
    return file


def test_offset_and_tokens_come_from_the_stack(config: Path) -> None:
    """After a bootstrap nobody repeats --port-offset or names the token."""
    assert with_running_stack(config, {"A": "b"}) == {
        "A": "b",
        "WILTONOS_PORT_OFFSET": "20000",
        "WILTONOS__NOTIFIER__BEARER_TOKEN_FILE": "/x/notifier_token",
    }


def test_environment_wins(config: Path) -> None:
    """What a person states holds; a token given as a value excludes the file."""
    environ = {"WILTONOS_PORT_OFFSET": "1", "WILTONOS__NOTIFIER__BEARER_TOKEN": "t"}
    assert with_running_stack(config, environ) == environ


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 3, "port_offset": "x"}'])
def test_no_or_odd_record_changes_nothing(config: Path, text: str) -> None:
    """A damaged record is the business of ``wt metrics``."""
    (config.parent / "var/stack.json").write_text(text)
    assert with_running_stack(config, {"A": "b"}) == {"A": "b"}
