from __future__ import annotations

from typing import get_args

import pytest

from ringlet_mitm.addons.credentials.schemes import sign
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.signing import NAMES
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.provider_files import Auth
from ringlet_mitm.rules.providers import registry

UNSIGNED = Outbound("POST", "https", "h", 443, "/", ((b"Content-Type", b"a"), (b"Authorization", b"from a file")), b"")


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("bearer", (b"authorization", b"Bearer new")),
        ("x-api-key", (b"x-api-key", b"new")),
        ("x-goog-api-key", (b"x-goog-api-key", b"new")),
        ("api-key", (b"api-key", b"new")),
    ],
)
def test_one_header_holds_the_key(scheme: str, header: tuple[bytes, bytes]) -> None:
    twice = sign(sign(UNSIGNED, scheme, Secret("old")), scheme, Secret("new"))
    assert [item for item in twice.headers if item[0].lower() == header[0]] == [header]
    assert (b"Content-Type", b"a") in twice.headers


@pytest.mark.parametrize(("scheme", "secret"), [("none", Secret("k")), ("bearer", None)])
def test_without_a_key_or_a_scheme_nothing_is_signed(scheme: str, secret: Secret | None) -> None:
    assert sign(UNSIGNED, scheme, secret) is UNSIGNED


def test_every_scheme_that_a_provider_file_may_name_is_there() -> None:
    for spec in registry({}).list_providers():
        assert {spec.auth, *spec.auths.values()} <= NAMES
    assert set(get_args(Auth)) == NAMES


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX-Evil: 1", "é", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match="characters") as caught:
        sign(UNSIGNED, "bearer", Secret(key))
    assert key not in str(caught.value)
