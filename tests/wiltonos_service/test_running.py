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
    assert with_running_stack(config, None, {"A": "b"}) == {
        "A": "b",
        "WILTONOS_PORT_OFFSET": "20000",
        "WILTONOS__NOTIFIER__BEARER_TOKEN_FILE": "/x/notifier_token",
    }


def test_environment_wins(config: Path) -> None:
    """What a person states holds; a token given as a value excludes the file."""
    environ = {"WILTONOS_PORT_OFFSET": "20000", "WILTONOS__NOTIFIER__BEARER_TOKEN": "t"}
    assert with_running_stack(config, None, environ) == environ


@pytest.mark.parametrize(("argument", "environ"), [(1, {}), (None, {"WILTONOS_PORT_OFFSET": "1"})])
def test_another_offset_is_another_stack(
    config: Path, argument: int | None, environ: dict[str, str]
) -> None:
    """Its tokens are not those of the recorded one."""
    assert with_running_stack(config, argument, environ) == environ


def test_token_in_the_configuration_wins(config: Path) -> None:
    """A value and a file of the same token exclude each other, so the record stays silent."""
    config.write_text('[notifier]\nbearer_token = "mine"\n')
    assert with_running_stack(config, 20000, {}) == {"WILTONOS_PORT_OFFSET": "20000"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 3, "port_offset": "x"}'])
def test_no_or_odd_record_changes_nothing(config: Path, text: str) -> None:
    """A damaged record is the business of ``wt metrics``."""
    (config.parent / "var/stack.json").write_text(text)
    assert with_running_stack(config, None, {"A": "b"}) == {"A": "b"}
