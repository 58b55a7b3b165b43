from __future__ import annotations

import base64

import pytest

from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.media import fitting_media, parse_media, render_media
from ringlet_mitm.addons.wire.canonical import Json, Media, MediaKind, Text

PDF = "application/pdf"
WORDS = base64.b64encode("käse".encode()).decode()


def image(mime: str = "image/png", **more: str) -> Media:
    return Media(MediaKind.IMAGE, mime, **more)


def document(mime: str = PDF, **more: str) -> Media:
    return Media(MediaKind.DOCUMENT, mime, **more)


@pytest.mark.parametrize(
    ("media", "source", "lost"),
    [
        (image(data="AA"), {"type": "base64", "media_type": "image/png", "data": "AA"}, []),
        (image("image/jpg", data="AA"), {"type": "base64", "media_type": "image/jpeg", "data": "AA"}, []),
        (image("", url="https://x/y.png"), {"type": "url", "url": "https://x/y.png"}, []),
        (image(data="AA", detail="low"), {"type": "base64", "media_type": "image/png", "data": "AA"}, ["image detail"]),
        (image(data="AA", detail="auto"), {"type": "base64", "media_type": "image/png", "data": "AA"}, []),
        (image("image/svg+xml", data="AA"), None, ["image image/svg+xml"]),
        (image("", url="gs://x/y.png"), None, ["image"]),
        (image("", file_id="file-1"), None, ["image by file id"]),
        (document(data="JV"), {"type": "base64", "media_type": PDF, "data": "JV"}, []),
        (document("", url="https://x/y.pdf"), {"type": "url", "url": "https://x/y.pdf"}, []),
        (
            document("text/html; charset=utf-8", data=WORDS),
            {"type": "text", "media_type": "text/plain", "data": "käse"},
            [],
        ),
        (document("application/zip", data="UE"), None, ["document application/zip"]),
        (document("text/plain", data="/w=="), None, ["document text/plain"]),
        (Media(MediaKind.AUDIO, "audio/wav", data="AA"), None, ["audio audio/wav"]),
        (Media(MediaKind.VIDEO, "", url="https://x/y"), None, ["video"]),
    ],
)
def test_what_messages_takes(media: Media, source: Json | None, lost: list[str]) -> None:
    losses = Losses()
    found = fitting_media(media, losses)
    assert (None if found is None else render_media(found)["source"]) == source
    assert [loss.what for loss in losses.found] == lost


def test_a_documents_name_is_its_title() -> None:
    assert render_media(document(data="JV", name="a.pdf"))["title"] == "a.pdf"


def test_a_document_of_text_is_read_as_base64() -> None:
    found = parse_media({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "käse"}})
    assert isinstance(found, Media) and (found.mime, found.data) == ("text/plain", WORDS)


def test_a_document_of_blocks_is_text_to_others() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    found = parse_media({"type": "document", "source": source})
    assert isinstance(found, Text) and found.text == "a\nb"


@pytest.mark.parametrize("source", [None, "x", {}, {"type": "base64"}, {"type": "url", "url": 4}, {"type": ["url"]}])
def test_sources_that_nobody_knows(source: object) -> None:
    assert parse_media({"type": "image", "source": source}) is None
