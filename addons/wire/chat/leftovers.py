"""What of a Chat object is written otherwise, or would be written and was not there: parse and render as the identity.

Chat is spoken by many, and what one leaves out (`type` of a call, `content` beside calls, `stream_options`) another
wants. So a renderer writes all that is wanted anywhere, and a node from Chat remembers also which of that was absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Native, fields_of
from ringlet_mitm.addons.wire.leftovers import leftovers as differing
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
# A key that no vendor uses: the names of fields that were absent.
ABSENT = "\0absent"


def leftovers(said: Mapping[str, Any], written: Mapping[str, Any]) -> Native:
    """The difference between what was `said` and what is `written` of it; also where there is none, as the mark of a
    node that comes from Chat."""
    fields = differing(said, written)
    absent = [name for name in written if name not in said]
    if absent:
        fields[ABSENT] = absent
    return Native(CHAT, fields)


def restored(written: Json, native: Native | None) -> Json:
    """What was said: `written` with the difference laid over it."""
    fields = fields_of(native, CHAT)
    if not fields:
        return written
    whole = {**written, **fields}
    for name in whole.pop(ABSENT, ()):
        whole.pop(name, None)
    return whole


def is_own(native: Native | None) -> bool:
    """Whether a node comes from Chat and nobody has changed it since."""
    return native is not None and native.format is CHAT
