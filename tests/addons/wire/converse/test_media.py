from __future__ import annotations

import pytest
from bedrock import PDF, rendered

from ringlet_mitm.addons.wire.canonical import Media, MediaKind, Message, Role, Text


def document(name: str, mime: str = "application/pdf") -> Media:
    return Media(MediaKind.DOCUMENT, mime, data=PDF, name=name)


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    names = ["a_b.pdf", "a-b.pdf", "", "日本 語", "x" * 300]
    body, losses = rendered(Message(Role.USER, tuple(document(name) for name in [*names, "one too many"])))
    said = [block["document"]["name"] for block in body["messages"][0]["content"] if "document" in block]
    assert said == ["a-b-pdf", "a-b-pdf (2)", "document", "-- -", "x" * 180]
    assert losses == ["document"]


@pytest.mark.parametrize(
    ("media", "losses"),
    [
        pytest.param(Media(MediaKind.IMAGE, url="https://x/y.png"), ["image URL"], id="image by URL"),
        pytest.param(Media(MediaKind.IMAGE, "image/png", file_id="f"), ["image file"], id="image by file"),
        pytest.param(Media(MediaKind.IMAGE, "image/bmp", data="A"), ["image"], id="a bitmap"),
        pytest.param(Media(MediaKind.IMAGE, "image/jpg", data="AAAA", detail="low"), ["image detail"], id="detail"),
        pytest.param(Media(MediaKind.IMAGE, "image/png", url="s3://bucket/x.png"), [], id="S3"),
        pytest.param(Media(MediaKind.DOCUMENT, "application/zip", data="A"), ["document"], id="an archive"),
        pytest.param(Media(MediaKind.DOCUMENT, "text/plain; charset=utf-8", data="AAAA"), [], id="text"),
        pytest.param(Media(MediaKind.VIDEO, "video/mp4", data="AAAA"), [], id="film"),
        pytest.param(Media(MediaKind.AUDIO, "audio/wav", data="AAAA"), [], id="sound"),
    ],
)
def test_media(media: Media, losses: list[str]) -> None:
    assert rendered(Message(Role.USER, (Text("see"), media)))[1] == losses
