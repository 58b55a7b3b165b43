"""Pictures go to Ollama as bare base64, without a type; of all else it takes only text."""

from __future__ import annotations

import base64
import binascii

from ringlet_mitm.addons.wire.canonical import Media, MediaKind
from ringlet_mitm.rules.shapes import Loss

# How the base64 of a picture begins, by its type.
BEGINNINGS = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "Qk": "image/bmp",
}
TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/javascript")


def picture(data: str) -> Media:
    """A picture of a message; its type is told by how it begins."""
    mime = next((mime for begin, mime in BEGINNINGS.items() if data.startswith(begin)), "")
    return Media(MediaKind.IMAGE, mime, data=data)


def text_of_document(media: Media) -> str | None:
    """What a document says, where it is text; None where it is not."""
    if media.kind is not MediaKind.DOCUMENT or not media.data:
        return None
    if not media.mime.startswith("text/") and media.mime not in TEXTUAL:
        return None
    try:
        text = base64.b64decode(media.data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    return f"{media.name}:\n{text}" if media.name else text


def losses_of(media: Media) -> list[Loss]:
    """What is lost of a medium, which may be all of it."""
    if media.kind is not MediaKind.IMAGE:
        return [Loss(media.kind.value, "Ollama takes pictures and text only")]
    if media.url or media.file_id:
        what = "image URL" if media.url else "image file"
        return [Loss(what, "Ollama takes pictures only as they are, it fetches none")]
    return [Loss("image detail", "Ollama has one")] if media.detail not in ("", "auto") else []
