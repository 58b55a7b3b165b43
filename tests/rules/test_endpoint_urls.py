"""Where calls go, and what variables in a URL may and may not do."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.endpoint_urls import Endpoint, check_url, endpoint_of, fill, join, sample, with_scheme
from ringlet_mitm.rules.errors import ConfigError


@pytest.mark.parametrize(
    ("template", "environ", "filled"),
    [
        pytest.param("https://h/v1", {}, ("https://h/v1", ()), id="no variable"),
        pytest.param("https://${R}.h/v1", {"R": "eu-1"}, ("https://eu-1.h/v1", ()), id="part of a host"),
        pytest.param("https://h/a/${ID}/v1", {"ID": "p:x_1"}, ("https://h/a/p:x_1/v1", ()), id="part of a path"),
        pytest.param("${URL}/v1", {"URL": "https://box:8443"}, ("https://box:8443/v1", ()), id="the beginning"),
        pytest.param("https://${H}/v1", {"H": "box.lan:99"}, ("https://box.lan:99/v1", ()), id="all of the host"),
        pytest.param("https://${H}", {"H": "[::1]:99"}, ("https://[::1]:99", ()), id="an address of IPv6"),
        pytest.param("https://${R:-us}.h", {}, ("https://us.h", ()), id="a default"),
        pytest.param("https://${R:-us}.h", {"R": " "}, ("https://us.h", ()), id="blank is not set"),
        pytest.param("https://${A:-${B:-c}}.h", {}, ("https://c.h", ()), id="a default in a default"),
        pytest.param("https://${A:-${B:-c}}.h", {"B": "b"}, ("https://b.h", ()), id="the second"),
        pytest.param("https://${A:-${B}}.h", {"A": "a"}, ("https://a.h", ()), id="the second is not needed"),
        pytest.param("https://${A}.h/${B}/${A}", {}, ("https://${A}.h/${B}/${A}", ("A", "B")), id="lacking, each once"),
        pytest.param("/x?v=${V:-2024-10-21}", {}, ("/x?v=2024-10-21", ()), id="in a query"),
        pytest.param("/m/{model}:{method}", {}, ("/m/{model}:{method}", ()), id="other braces stay"),
        pytest.param("https://$A.h/{B}", {"A": "a"}, ("https://$A.h/{B}", ()), id="no brace, no variable"),
    ],
)
def test_fill(template: str, environ: dict[str, str], filled: tuple[str, tuple[str, ...]]) -> None:
    assert fill(template, environ) == filled


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("https://${X}.h", "a.b"),
        ("https://${X}.h", "a/b"),
        ("https://${X}.h", "a-"),
        ("https://h-${X}", "a.evil"),
        ("https://${X}/v1", "a/b"),
        ("https://${X}/v1", "u@h"),
        ("https://h/${X}/v1", "../up"),
        ("https://h/${X}/v1", ".."),
        ("https://h/${X}/v1", "a?b"),
        ("https://h/${X}/v1", "a%2fb"),
        ("/p?v=${X}", "1&key=2"),
        ("${X}/v1", "https://h x"),
    ],
)
def test_a_value_stays_in_its_place(template: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(template, {"X": value})
    assert caught.value.key == "X"
    assert value not in str(caught.value)


@given(st.text(max_size=30))
def test_no_value_makes_another_host_or_path(value: str) -> None:
    try:
        filled, lacking = fill("https://a-${X}.vendor.example/one/${X}/two", {"X": value})
    except ConfigError:
        return
    if not lacking:
        parts = urlsplit(filled)
        assert (parts.hostname or "").endswith(".vendor.example")
        assert parts.netloc.count(".") == 2
        assert parts.path.count("/") == 3
        assert not (parts.query or parts.fragment or parts.username or parts.port)


@pytest.mark.parametrize("template", ["https://${A", "https://${}.h", "https://${a-b}.h", "https://${1}.h"])
def test_a_template_that_is_none(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sample(template)
    assert caught.value.key is None


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("https://h/v1", "https://h/v1"),
        ("https://${A}.h/${B}", "https://x.h/x"),
        ("${URL}/v1", "https://x.example/v1"),
        ("https://${A:-${B}}.h", "https://x.h"),
    ],
)
def test_sample(template: str, made: str) -> None:
    assert sample(template) == made


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/v1", "/v1/messages", "https://h/v1/messages"),
        ("https://h/openai/v1", "/openai/v1/responses", "https://h/openai/v1/responses"),
        ("https://h/v1", "{origin}/anthropic/v1/messages", "https://h/anthropic/v1/messages"),
        ("http://h:99/a/b", "{origin}/x", "http://h:99/x"),
        ("https://h/v1", "https://other/x", "https://other/x"),
        ("https://h", "/x?api-version=1", "https://h/x?api-version=1"),
    ],
)
def test_join(base: str, path: str, url: str) -> None:
    assert join(base, path) == url


def test_a_url_taken_apart() -> None:
    assert endpoint_of("https://H.example/a/{model}?v=1") == Endpoint("https", "h.example", 443, "/a/{model}", "v=1")
    assert endpoint_of("http://h:8080").origin == ("http", "h", 8080)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://h", None),
        ("http://localhost:1", None),
        ("http://h.example", "unencrypted"),
        ("ftp://h", "has to be a URL"),
        ("https://", "has to be a URL"),
        ("https://h:port", "is not a URL"),
        ("https://@h", "password"),
        ("https://good.example\\@evil.example", "backslash"),
        ("https://h/a\tb", "space"),
        ("https://h?x", "query"),
        ("https://h#x", "fragment"),
    ],
)
def test_where_a_key_may_be_sent(url: str, wrong: str | None) -> None:
    if wrong is None:
        check_url(url)
        return
    with pytest.raises(ConfigError, match=wrong):
        check_url(url)


def test_only_a_local_server_is_named_by_its_address_alone() -> None:
    assert with_scheme(":99", "http://localhost:11434") == "http://localhost:99"
    assert with_scheme("box", "https://api.example") == "box"
