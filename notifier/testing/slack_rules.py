"""What Slack accepts in a message: the limits of its reference, as pure checks.

Sources: docs.slack.dev reference pages of ``chat.postMessage``, ``chat.update``, block kit
blocks and composition objects; the total of 13,200 characters is undocumented (slackapi/bolt-js
issue 2509). Lengths are counted in UTF-16 units, the strictest of the readings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_BLOCKS = 50
MAX_BLOCK_TOTAL = 13_200
MAX_POST_TEXT = 40_000
MAX_UPDATE_TEXT = 4_000
_MARKDOWN_TOTAL = 12_000
_KNOWN = {"section", "header", "divider", "context", "actions", "image", "markdown"}
_PING = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>|<(@[UW][A-Z0-9]+)(?:\|[^>]*)?>"
                   r"|<!(subteam\^[A-Z0-9]+)(?:\|[^>]*)?>")  # fmt: skip
_BARE = re.compile(r"(?<![\w<!])@(channel|here|everyone)\b")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Slack refuses a message: its error code, and a reason per place."""

    error: str
    messages: tuple[str, ...] = ()


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_message(body: Mapping[str, Any], *, update: bool) -> Refusal | None:
    """The refusal that this message meets, or None.

    Args:
        body: arguments of ``chat.postMessage``, ``chat.update`` or the body of a webhook.
        update: hold it to the shorter text of ``chat.update``.
    """
    text, blocks = body.get("text") or "", body.get("blocks") or []
    if not isinstance(text, str):
        return Refusal("invalid_arguments", ("[ERROR] text must be a string",))
    if not text and not blocks and not body.get("attachments"):
        return Refusal("no_text")
    if units(text) > (MAX_UPDATE_TEXT if update else MAX_POST_TEXT):
        return Refusal("msg_too_long")
    return _check_blocks(blocks) or _check_metadata(body.get("metadata"))


def _check_blocks(blocks: Any) -> Refusal | None:
    if not isinstance(blocks, Sequence) or isinstance(blocks, str):
        return Refusal("invalid_blocks_format")
    found = tuple(_block_errors(blocks))
    if found:
        return Refusal("invalid_blocks", found)
    return Refusal("msg_blocks_too_long") if _total(blocks) > MAX_BLOCK_TOTAL else None


def _check_metadata(metadata: Any) -> Refusal | None:
    if metadata is None or metadata == {}:
        return None
    if (
        not isinstance(metadata, Mapping)
        or not isinstance(metadata.get("event_type"), str)
        or not isinstance(metadata.get("event_payload"), Mapping)
    ):
        return Refusal("invalid_metadata_format")
    return None


def sure_pings(body: Mapping[str, Any]) -> frozenset[str]:
    """Who is certainly notified: mentions in the blocks, or in the text of a message without.

    ``here``, ``channel``, ``everyone``, ``@U...``, ``subteam^S...``.
    """
    blocks = body.get("blocks") or []
    texts = [text for text, _ in _mrkdwn(blocks)] if blocks else [str(body.get("text") or "")]
    return _mentioned(texts)


def possible_pings(body: Mapping[str, Any]) -> frozenset[str]:
    """Who might be notified at worst: every mention anywhere.

    A bare ``@here`` is one where Slack is allowed to parse it: ``verbatim`` not true,
    ``link_names``, ``parse: full``.
    """
    text, blocks = str(body.get("text") or ""), body.get("blocks") or []
    found = _mentioned([text, *(each for each, _ in _mrkdwn(blocks))])
    bare = [each for each, verbatim in _mrkdwn(blocks) if not verbatim]
    if body.get("parse") == "full" or body.get("link_names"):
        bare.append(text)
    return found.union(*({m[1] for m in _BARE.finditer(each)} for each in bare))


def _mentioned(texts: list[str]) -> frozenset[str]:
    return frozenset(m[1] or m[2] or m[3] for text in texts for m in _PING.finditer(text))


def _mrkdwn(node: Any) -> Iterator[tuple[str, bool]]:
    """Every text that Slack formats, with its ``verbatim`` flag; plain_text never pings."""
    if isinstance(node, Mapping):
        if node.get("type") == "mrkdwn":
            yield str(node.get("text", "")), node.get("verbatim") is True
        elif node.get("type") == "markdown":
            yield str(node.get("text", "")), False
        for child in node.values():
            yield from _mrkdwn(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _mrkdwn(child)


def _total(node: Any) -> int:
    if isinstance(node, Mapping):
        return sum(_total(child) for key, child in node.items() if key not in {"type", "block_id"})
    if isinstance(node, list | tuple):
        return sum(_total(child) for child in node)
    return units(node) if isinstance(node, str) else 0


def _block_errors(blocks: Sequence[Any]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"[ERROR] no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"/blocks/{index}"
        if not isinstance(block, Mapping) or block.get("type") not in _KNOWN:
            yield f"[ERROR] unsupported type [json-pointer:{at}/type]"
            continue
        yield from _CHECKS[block["type"]](block, at)
        name = block.get("block_id", "")
        yield from _length(name, f"{at}/block_id", 255, least=0)
        if name and name in seen:
            yield f"[ERROR] block_id already exists [json-pointer:{at}/block_id]"
        seen.add(name)
    markdown = sum(units(str(b.get("text", ""))) for b in blocks if _is(b, "markdown"))
    if markdown > _MARKDOWN_TOTAL:
        yield "[ERROR] markdown text must be less than 12001 characters [json-pointer:/blocks]"


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, Mapping) and block.get("type") == kind


def _section(block: Mapping[str, Any], at: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield f"[ERROR] missing required field: text [json-pointer:{at}]"
    if "text" in block:
        yield from _text(block["text"], f"{at}/text", 3000)
    if "fields" in block:
        yield from _count(block["fields"], f"{at}/fields", 10)
        for index, each in enumerate(block["fields"]):
            yield from _text(each, f"{at}/fields/{index}", 2000)
    if "accessory" in block:
        yield from _element(block["accessory"], f"{at}/accessory")


def _header(block: Mapping[str, Any], at: str) -> Iterator[str]:
    yield from _text(block.get("text"), f"{at}/text", 150, kinds={"plain_text"})


def _context(block: Mapping[str, Any], at: str) -> Iterator[str]:
    elements = block.get("elements", [])
    yield from _count(elements, f"{at}/elements", 10)
    for index, each in enumerate(elements):
        if _is(each, "image"):
            yield from _image(each, f"{at}/elements/{index}")
        else:
            yield from _text(each, f"{at}/elements/{index}", 3000)


def _actions(block: Mapping[str, Any], at: str) -> Iterator[str]:
    elements = block.get("elements", [])
    yield from _count(elements, f"{at}/elements", 25)
    for index, each in enumerate(elements):
        yield from _element(each, f"{at}/elements/{index}")


def _element(element: Any, at: str) -> Iterator[str]:
    if not _is(element, "button"):
        if not _is(element, "image"):
            yield f"[ERROR] unsupported element [json-pointer:{at}]"
        return
    yield from _text(element.get("text"), f"{at}/text", 75, kinds={"plain_text"})
    yield from _length(element.get("action_id", ""), f"{at}/action_id", 255, least=0)
    yield from _length(element.get("value", ""), f"{at}/value", 2000, least=0)
    yield from _length(element.get("url", ""), f"{at}/url", 3000, least=0)


def _image(block: Mapping[str, Any], at: str) -> Iterator[str]:
    yield from _length(block.get("alt_text"), f"{at}/alt_text", 2000)
    if "slack_file" in block:
        if not isinstance(block["slack_file"], Mapping) or not block["slack_file"].get("id"):
            yield f"[ERROR] invalid slack file [json-pointer:{at}/slack_file]"
    else:
        yield from _length(block.get("image_url"), f"{at}/image_url", 3000)
    if "title" in block:
        yield from _text(block["title"], f"{at}/title", 2000, kinds={"plain_text"})


def _markdown(block: Mapping[str, Any], at: str) -> Iterator[str]:
    yield from _length(block.get("text"), f"{at}/text", 12_000)


def _divider(_block: Mapping[str, Any], _at: str) -> Iterator[str]:
    return iter(())


_CHECKS = {
    "section": _section,
    "header": _header,
    "divider": _divider,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "markdown": _markdown,
}


def _text(
    node: Any, at: str, most: int, *, kinds: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    allowed = kinds or {"plain_text", "mrkdwn"}
    if not isinstance(node, Mapping) or node.get("type") not in allowed:
        yield f"[ERROR] unsupported text type [json-pointer:{at}]"
        return
    yield from _length(node.get("text"), f"{at}/text", most)


def _length(text: Any, at: str, most: int, *, least: int = 1) -> Iterator[str]:
    if not isinstance(text, str):
        yield f"[ERROR] must be a string [json-pointer:{at}]"
    elif units(text) > most:
        yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{at}]"
    elif units(text) < least:
        yield f"[ERROR] must be more than {least - 1} characters [json-pointer:{at}]"


def _count(items: Any, at: str, most: int) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"[ERROR] must have at least 1 item [json-pointer:{at}]"
    elif len(items) > most:
        yield f"[ERROR] no more than {most} items allowed [json-pointer:{at}]"
