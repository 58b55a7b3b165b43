from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringlet_mitm.addons.credentials.agent_headers import query_without_keys, without_credentials

CAPTURES = sorted((Path(__file__).parents[3] / "fixtures" / "captures").glob("*.json"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_nothing_that_identifies_an_account_leaves_with_a_captured_request(path: Path) -> None:
    headers = tuple((k.encode(), v.encode()) for k, v in json.loads(path.read_text())["headers"])
    left = {name.lower() for name, _ in without_credentials(headers)}
    assert not any(b"REDACTED" in value for _, value in without_credentials(headers))
    assert not left & {
        b"authorization",
        b"x-api-key",
        b"x-goog-api-key",
        b"cookie",
        b"x-claude-code-session-id",
        b"thread-id",
    }
    assert b"content-type" in left


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        ("beta=true", "beta=true"),
        ("key=AIzaSecret", ""),
        ("alt=sse&key=AIzaSecret", "alt=sse"),
        ("Key=AIzaSecret&alt=sse", "alt=sse"),
        ("alt=sse&api_key=x&z=", "alt=sse&z="),
    ],
)
def test_keys_in_the_query_stay(query: str, left: str) -> None:
    assert query_without_keys(query) == left
