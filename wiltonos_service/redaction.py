"""Takes out what looks like a secret, wherever text leaves the process."""

import re

# what a secret looks like, wherever it turns up: Slack tokens, hook paths, bearer headers
_PATTERNS = (
    (re.compile(r"xox[abposr]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+"), "[slack token]"),
    (re.compile(r"(/services/)[A-Za-z0-9_/-]+"), r"\1[secret]"),
    (re.compile(r"(/webhooks/\d+/)[A-Za-z0-9_.-]+"), r"\1[secret]"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"), r"\1[secret]"),
    (re.compile(r"(\w+://[^/\s:@]*:)[^/\s@]+@"), r"\1[secret]@"),
)


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
