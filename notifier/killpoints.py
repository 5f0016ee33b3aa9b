"""Named places at which a durability test lets the process die as if by ``kill -9``.

``NOTIFIER_TEST_KILL_AT=after_send:3`` kills at the third time that the place is reached. Unset, as
it is everywhere but in those tests, reaching a place costs one comparison.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("NOTIFIER_TEST_KILL_AT", "").partition(":")
_left = int(_COUNT or "1")

BEFORE_COMMIT = "before_commit"
AFTER_COMMIT = "after_commit"
AFTER_CLAIM = "after_claim"
AFTER_SEND = "after_send"
AFTER_RECEIPT = "after_receipt"
DIGEST_BEGUN = "digest_begun"
DIGEST_SENT = "digest_sent"
AFTER_UPLOAD = "after_upload"
AFTER_ATTACH = "after_attach"
# those of charts are no part of a delivery
CHART_POINTS = (AFTER_UPLOAD, AFTER_ATTACH)
POINTS = (BEFORE_COMMIT, AFTER_COMMIT, AFTER_CLAIM, AFTER_SEND, AFTER_RECEIPT)


def reached(point: str) -> None:
    """Die here if the environment says so."""
    global _left  # noqa: PLW0603 - counts over the whole process
    if point != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
