"""Thought signatures: Gemini's own, and other vendors' thinking that rides in their place.

Gemini signs a part: a call, a text, a thought. Here that is a `Thinking` without text in front of the block.

Another vendor's thinking goes to a Gemini agent as a thought part. Agents drop thought parts from what they send back
(Gemini CLI does, 0.61), but return a call's signature byte for byte; so the call that follows carries, sealed, all that
its vendor will want to see again: the signatures and the texts that they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ringlet_mitm.addons.wire.canonical import Block, Thinking, ToolCall
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, flag, text
from ringlet_mitm.addons.wire.identifiers import seal_base64, unseal
from ringlet_mitm.rules.shapes import WireFormat

# What Google documents for calls of other models' making; Gemini 3 answers 400 to a call of this turn without any.
UNSIGNED = "skip_thought_signature_validator"


def sealed(thoughts: Sequence[Thinking]) -> str:
    """The thoughts of another vendor as one thought signature; those of the last one's signer."""
    signer = thoughts[-1].signer or GEMINI
    rows = [
        {"s": one.signature, "t": one.text, "i": one.id, "r": one.redacted} for one in thoughts if one.signer is signer
    ]
    return seal_base64(signer, write_json(rows).decode())


def unsealed(signature: str) -> list[Thinking]:
    """The thoughts in a sealed signature; none where it is Gemini's own."""
    found = unseal(signature)
    if found is None:
        return []
    signer, payload = found
    return list(_rows(signer, payload)) or [Thinking("", payload, signer)]


def _rows(signer: WireFormat, payload: str) -> Iterable[Thinking]:
    try:
        rows = read_json(payload) if payload.startswith("[") else ()
    except ValueError:
        return
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            redacted = flag(row, "r") or False
            yield Thinking(text(row, "t"), text(row, "s"), signer, id=text(row, "i"), redacted=redacted)


def carried_in(blocks: list[Block], thoughts: Iterable[Thinking]) -> None:
    """Puts the thoughts that a call carried where they were: in front of all that the model said since its last call.

    One that is there already, because its agent keeps thoughts, stays as it is.
    """
    begin = max((place + 1 for place, block in enumerate(blocks) if isinstance(block, ToolCall)), default=0)
    known = {block.signature for block in blocks[begin:] if isinstance(block, Thinking)}
    blocks[begin:begin] = [one for one in thoughts if one.signature not in known]
