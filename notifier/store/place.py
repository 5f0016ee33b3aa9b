"""Whether the file that a SQLite database was opened in is still where it was."""

from pathlib import Path

from sqlalchemy import make_url


class Place:
    """Remembers which file stands at a path.

    Args:
        url: of the database; one that is no file has no place to lose.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        file = parsed.database if parsed.get_backend_name() == "sqlite" else None
        self._path = Path(file) if file else None
        self._found = self._look()

    def problem(self) -> str:
        """Why what is committed will not be found again; "" is well.

        SQLite notices nothing: it goes on in the file that it has open, which nobody can open
        again once it has no name.
        """
        if self._look() == self._found:
            return ""
        return (
            f"{self._path} was removed or replaced while in use: "
            "what is committed now is lost at the end; restart the notifier"
        )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None
