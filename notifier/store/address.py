"""Which addresses of databases are understood. Pure, and quick to load."""

import re

_DATABASE = re.compile(r"sqlite(\+\w+)?:///(?!:memory:).+|postgres(ql)?(\+\w+)?://.+")


def is_database(url: str) -> bool:
    """Whether it has one of the forms ``sqlite:///path`` and ``postgresql://…``."""
    return _DATABASE.fullmatch(url) is not None
