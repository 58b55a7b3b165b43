"""What a model reads of a piece of a request: the words, without the JSON around them and without binary data.

Rejected: counting the raw JSON. Escapes alone make code about a tenth longer than what the model sees, and one
screenshot in base64 would count as half a million tokens.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

Segment = bytes | msgspec.Raw

# Bookkeeping between agent and vendor, in the spellings of all formats; a model sees none of it.
UNREAD = frozenset(
    {
        *("type", "role", "id", "status", "index", "call_id", "tool_call_id", "tool_use_id", "caller", "container"),
        *("file_id", "fileUri", "file_uri", "media_type", "mimeType", "mime_type", "detail", "cache_control"),
        *("signature", "thoughtSignature", "thought_signature", "encrypted_content", "encrypted_index"),
        *("redacted_thinking", "eager_input_streaming", "defer_loading", "strict"),
        "internal_chat_message_metadata_passthrough",
    }
)

# Where any key may be a word of the agent's own: what is below is read to the last key and value.
READ_WHOLE = frozenset(
    {
        *("input", "input_schema", "inputSchema", "parameters", "parametersJsonSchema", "parameters_json_schema"),
        *("schema", "responseJsonSchema", "responseSchema", "args", "response", "arguments"),
    }
)

# Keys that may hold base64; the same keys also hold text (a plain text document's `data`), so the value is looked at.
BINARY = frozenset({"data", "file_data", "fileData", "blob", "b64_json", "result"})
# Possessive, since line ends fit the first part and the last: to try all ways of sharing them takes minutes a megabyte.
BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]{32,}+={0,2}+\s*+")
DATA_URL = re.compile(r"data:[^,]{0,100};base64,")

# Floats stay the text that they were, so that no piece is longer than its JSON.
_decode = msgspec.json.Decoder(float_hook=str).decode


def text_of(segment: Segment) -> str:
    """All that a model reads of `segment`, a JSON value, one piece a line; never more UTF-8 bytes than the JSON itself.

    JSON that cannot be taken apart (broken UTF-8, numbers of thousands of digits) is read as it stands.
    """
    pieces: list[str] = []
    try:
        _gather(_decode(segment), pieces)
    except (ValueError, RecursionError):  # msgspec's and unicode's errors are ValueErrors
        return bytes(segment).decode("utf-8", "ignore")
    return "\n".join(pieces)


def _gather(value: Any, pieces: list[str]) -> None:
    if isinstance(value, str):
        if not (value.startswith("data:") and DATA_URL.match(value)):
            pieces.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in READ_WHOLE:
                _gather_whole(item, pieces)
            elif key not in UNREAD and not (key in BINARY and _is_binary(item)):
                _gather(item, pieces)
    elif isinstance(value, list):
        for item in value:
            _gather(item, pieces)


def _gather_whole(value: Any, pieces: list[str]) -> None:
    if isinstance(value, str):
        pieces.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            pieces.append(key)
            _gather_whole(item, pieces)
    elif isinstance(value, list):
        for item in value:
            _gather_whole(item, pieces)
    elif value is not None:
        pieces.append(str(value))


def _is_binary(value: Any) -> bool:
    return isinstance(value, str) and BASE64.fullmatch(value) is not None
