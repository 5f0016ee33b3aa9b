"""Secrets that are given as a value or in a file, read again when the file changes."""

from pathlib import Path

from wiltonos_service.errors import SettingsError


class Secret:
    """A secret; its text never appears in ``repr`` or in an error.

    Args:
        name: how to call it in a message, for example ``[notifier] bearer_token``.
        value: the secret itself.
        file: the file that holds it; exactly one of the two is given.
    """

    def __init__(self, name: str, *, value: str | None = None, file: Path | None = None) -> None:
        if (value is None) == (file is None):
            raise SettingsError(
                f"{name}: give the value or {name.rpartition(' ')[2]}_file, not both"
            )
        self.name = name
        self._value = value
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    def read(self) -> str:
        """The secret, without surrounding white space.

        Raises:
            SettingsError: the file is missing, unreadable or empty.
        """
        if self._file is not None:
            self._refresh(self._file)
        return self._value or ""

    def changed(self) -> bool:
        """Whether the file differs from what was read last."""
        return self._file is not None and self._stamp(self._file) != self._seen

    def _refresh(self, file: Path) -> None:
        stamp = self._stamp(file)
        if stamp == self._seen and self._value:
            return
        try:
            value = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise SettingsError(
                f"{self.name}_file: {file}: {reason}; write the secret to that file"
            ) from None
        if not value:
            raise SettingsError(f"{self.name}_file: {file} is empty; write the secret to it")
        self._value, self._seen = value, stamp

    @staticmethod
    def _stamp(file: Path) -> tuple[int, int, int] | None:
        try:
            status = file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def optional_secret(name: str, value: str | None, file: Path | None) -> Secret | None:
    """The secret, or None when neither value nor file is given.

    Raises:
        SettingsError: both are given.
    """
    return None if value is None and file is None else Secret(name, value=value, file=file)
