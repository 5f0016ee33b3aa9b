"""Slack's three-step upload: an address is given out, bytes come in, the upload is completed."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from notifier.clock import Clock


@dataclass(slots=True)
class _File:
    name: str
    length: int
    content: bytes | None = None
    deleted: bool = False
    ready_at: float | None = None


class FileShelf:
    """The files of a workspace.

    Args:
        clock: by which processing takes its time.
        processing_seconds: from the completed upload until a message can show the file.
    """

    def __init__(self, clock: Clock, processing_seconds: float) -> None:
        self._clock = clock
        self._processing = processing_seconds
        self._files: dict[str, _File] = {}
        self._sequence = itertools.count(1)

    def expect(self, name: str, length: int) -> str:
        """Give out the id of a file that is going to be uploaded."""
        identity = f"F{next(self._sequence):010d}"
        self._files[identity] = _File(name, length)
        return identity

    def receive(self, identity: str, content: bytes) -> str:
        """Take the bytes; "" or what is wrong with them."""
        file = self._files.get(identity)
        if file is None:
            return "no such upload"
        if len(content) != file.length:
            return f"{len(content)} bytes instead of {file.length}"
        file.content = content
        return ""

    def complete(self, identity: str) -> bool:
        """Finish an upload; False for one that never happened."""
        file = self._files.get(identity)
        if file is None or file.content is None:
            return False
        file.ready_at = self._clock.monotonic() + self._processing
        return True

    def delete(self, identity: str) -> str:
        """Remove a file; "" or why not. A message that shows it shows a gap from then on."""
        file = self._files.get(identity)
        if file is None:
            return "file_not_found"
        if file.deleted:
            return "file_deleted"
        file.deleted, file.ready_at = True, None
        return ""

    @property
    def kept(self) -> list[str]:
        """The ids of the files that are there, in the order of their upload."""
        return [name for name, file in self._files.items() if file.content and not file.deleted]

    def name(self, identity: str) -> str:
        """The file's name."""
        return self._files[identity].name

    def content(self, identity: str) -> bytes:
        """What was uploaded."""
        return self._files[identity].content or b""

    def shown(self, blocks: Any) -> Iterator[str]:
        """The ids of the files that these blocks show."""
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict) and isinstance(block.get("slack_file"), dict):
                yield str(block["slack_file"].get("id"))

    def all_ready(self, blocks: Any) -> bool:
        """Whether every file that these blocks show exists and has been processed."""
        now = self._clock.monotonic()
        files = [self._files.get(identity) for identity in self.shown(blocks)]
        return all(f is not None and f.ready_at is not None and f.ready_at <= now for f in files)
