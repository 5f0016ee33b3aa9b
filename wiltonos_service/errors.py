"""The errors that an operator reads: one line that says what, where and how to mend it."""

DONE = 0
FAILED = 1
WRONG_USAGE = 2


class OperatorError(Exception):
    """Something that a person can mend; its text is printed as it is, without a traceback.

    Attributes:
        exit_code: what a command that ends with it exits with (1 it failed, 2 wrong usage).
    """

    exit_code = FAILED


class UsageError(OperatorError):
    """The command line, or a value given on it, is wrong."""

    exit_code = WRONG_USAGE


class SettingsError(OperatorError):
    """The configuration is wrong; the text names the origin, the key and the fix."""

    exit_code = WRONG_USAGE


class MissingExtraError(OperatorError):
    """A part of the distribution is not installed.

    Args:
        extra: the name in ``pip install "wiltonos-otel[extra]"``.
        module: the module that could not be imported.
    """

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(f'{module} is not installed; run: pip install "wiltonos-otel[{extra}]"')
