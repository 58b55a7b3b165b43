"""Keys that a config.toml does not have: all of them are told at once, and none that it has."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.strangers import strangers

KNOWN = {"": ("default_provider", "model_routes", "reliability"), "model_routes": ("hint",), "reliability": ("wait",)}


def said(text: str) -> list[str]:
    return [str(error) for error in strangers(Document.parse(text, "c.toml"), KNOWN)]


def test_what_is_known_is_not_told_of() -> None:
    assert said('default-provider = "x"\n[[model-routes]]\nhint = "a"\n[reliability]\nwait = 1\n') == []


def test_all_are_told_of_with_their_place() -> None:
    text = 'a = 1\n[[model_routes]]\nhint = "a"\n[[model_routes]]\nhnit = "b"\n[reliability]\nwiat = 1\n'
    assert [line.partition(": ")[0] for line in said(text)] == ["c.toml:1", "c.toml:5", "c.toml:7"]


@pytest.mark.parametrize("text", ["[[reliability]]\nx = 1\n", "model_routes = 1\n", "reliability = 1\n"])
def test_what_has_another_type_is_the_types_matter(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('[provider]\nname = "groq"\n', 'default_provider = "groq"'),
        ('[llm]\nprovider = "groq"\n', 'default_provider = "groq"'),
        ("[provider.groq]\n", 'default_provider = "groq"'),
        ('primary = "groq"\n', 'default_provider = "groq"'),
        ('fallbacks = ["groq", "openai"]\n', 'fallback_providers = ["groq", "openai"] under [reliability]'),
        ("fallback = 7\n", 'fallback_providers = ["…"] under [reliability]'),
    ],
)
def test_what_people_bring_along_has_what_to_write_instead(text: str, instead: str) -> None:
    (line,) = said(text)
    assert f"write {instead}" in line
