"""Reasoning items: what a model thought, its summary, and the encrypted content that its vendor wants back.

A signature of another vendor travels through the agent in `encrypted_content`, sealed; the agent sends it back with the
item and it is opened here. Towards OpenAI an item keeps its id or has none: an id that is not the one its content was
encrypted with is answered with 400 ("item_id did not match"), none at all is accepted.

Sources: OpenAI "Reasoning models", section "Encrypted reasoning items"; accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Thinking
from ringlet_mitm.addons.wire.identifiers import MADE, seal, unseal
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, rest, said, string

REASONING = "reasoning"
BETWEEN = "\n\n"  # summaries come in several parts
_REDACTED = "redacted:"  # inside a seal: this was Anthropic's redacted_thinking
_KNOWN = frozenset({"type", "id", "encrypted_content"})


def parse_thinking(item: Mapping[str, Any]) -> Thinking:
    """A reasoning item. Its summary is the text, or what it says openly where there is no summary."""
    encrypted = string(item, "encrypted_content")
    left = rest(item, _KNOWN)
    left.update((key, item[key]) for key in ("id", "encrypted_content") if key in item and not string(item, key))
    text = _texts(item.get("summary")) or _texts(item.get("content"))
    made = string(item, "id").startswith(MADE)  # an item that OpenAI would look for in its store, and not find
    name = "" if made else string(item, "id")
    sealed = unseal(encrypted) if encrypted else None
    if sealed is not None:
        signer, payload = sealed
        redacted = payload.startswith(_REDACTED)
        return Thinking(text, payload.removeprefix(_REDACTED), signer, "", redacted)
    if not encrypted:
        return Thinking(text, "", None, name, native=None if made else said(left))
    return Thinking(text, encrypted, FORMAT, name, native=said(left))


def _texts(parts: Any) -> str:
    if not isinstance(parts, list):
        return ""
    return BETWEEN.join(string(part, "text") for part in parts if isinstance(part, dict))


def render_thinking(block: Thinking, losses: Losses) -> Json | None:
    """The item towards the vendor; None for thoughts that are not of this format."""
    fields = own(block.native)
    mine = block.signer is FORMAT and bool(block.signature)
    if not mine and (fields is None or block.signer not in (None, FORMAT)):
        losses.add("thinking", "only the vendor of these thoughts can read them")
        return None
    return _item(block, block.id, block.signature) | (_summary(block) if fields is None else fields)


def answer_item(block: Thinking, name: str) -> Json:
    """The item towards the agent, complete; `name` is its id."""
    fields = own(block.native)
    if fields is not None and block.signer in (None, FORMAT):
        return _item(block, name, block.signature) | fields | {"id": name}
    return _item(block, name, carried(block)) | _summary(block)


def carried(block: Thinking) -> str:
    """The encrypted content by which the agent brings the signature back."""
    if block.signer is None or block.signer is FORMAT:
        return block.signature
    return seal(block.signer, _REDACTED + block.signature if block.redacted else block.signature)


def _item(block: Thinking, name: str, encrypted: str) -> Json:
    item: Json = {"type": REASONING}
    if name:
        item["id"] = name
    if encrypted:
        item["encrypted_content"] = encrypted
    return item


def _summary(block: Thinking) -> Json:
    return {"summary": [{"type": "summary_text", "text": block.text}] if block.text else []}
