"""Secrets: from a value or a file, fresh, and never shown."""

from pathlib import Path

import pytest

from wiltonos_service.errors import SettingsError
from wiltonos_service.redaction import redact
from wiltonos_service.secrets import Secret


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A rotated secret counts from the next read on."""
    file = tmp_path / "token"
    file.write_text("one\n")
    secret = Secret("[notifier] bearer_token", file=file)
    assert secret.read() == "one"
    assert not secret.changed()
    file.write_text("second\n")
    assert secret.changed()
    assert secret.read() == "second"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_useless_file_is_named_with_the_fix(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty and unreadable files say which key and file to mend."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"\[notifier\] bearer_token_file: .*token"):
        Secret("[notifier] bearer_token", file=file).read()


def test_value_and_file_together_are_refused(tmp_path: Path) -> None:
    """One secret has one origin."""
    with pytest.raises(SettingsError, match="not both"):
        Secret("[notifier] bearer_token", value="x", file=tmp_path)


def test_the_text_never_shows() -> None:
    """Repr tells the name only."""
    assert "hush" not in repr(Secret("[notifier] bearer_token", value="hush"))


@pytest.mark.parametrize(
    "text",
    [
        "xoxb-1234-HUSH",
        "https://hooks.slack.com/services/T0/B0/HUSH",
        "https://discord.com/api/webhooks/123/HUSH?wait=true",
        "Authorization: Bearer HUSH",
        "postgresql://user:HUSH@db/x",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    """Every known form of a secret is replaced in logs."""
    assert "HUSH" not in redact(text)
