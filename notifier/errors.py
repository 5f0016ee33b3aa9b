"""The errors of the notifier."""

from wiltonos_service.errors import OperatorError


class NotifierError(OperatorError):
    """Base of every error that ``notifier`` raises on purpose."""


class PayloadError(NotifierError):
    """A webhook body is no notification that we understand; the text says why."""


class StoreError(NotifierError):
    """The database cannot do what was asked; nothing was written."""


class SlowError(StoreError):
    """Nothing is known after as long as a caller can wait; it may be written yet."""


class AwayError(StoreError):
    """The database is away or does not answer: no other work would fare better now."""


class BusyError(StoreError):
    """More waits for a commit than can be committed in time; try again later."""
