"""The login of a proxy: where it is from, who is let in by it, and that nothing shows it."""

from __future__ import annotations

from base64 import b64encode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.credentials.proxy_login import ProxyLogin, login_of, read_login, with_login
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.profiles import Profile

LOGIN = read_login("agents:pass:word", {})
URL = "http://192.0.2.9:8484"


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


HEADERS: dict[str, tuple[str, bool]] = {
    "right": (basic("agents:pass:word"), True),
    "in small letters": (basic("agents:pass:word").replace("Basic", "basic"), True),
    "nothing": ("", False),
    "another password": (basic("agents:pass:wore"), False),
    "a part": (basic("agents:pass"), False),
    "more": (basic("agents:pass:word "), False),
    "another user": (basic("agent:pass:word"), False),
    "another scheme": (basic("agents:pass:word").replace("Basic", "Digest"), False),
    "no base64": ("Basic agents:pass:word", False),
    "not ASCII": ("Basic \udcff\udcfe", False),
}


@pytest.mark.parametrize(("header", "admitted"), HEADERS.values(), ids=HEADERS)
def test_who_is_admitted(header: str, admitted: bool) -> None:
    assert LOGIN.admits(header) is admitted


@given(st.text())
def test_no_text_breaks_it(header: str) -> None:
    assert not LOGIN.admits(header)


@given(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1), st.text("ab:/@%?# ü", min_size=1))
def test_what_agents_send_for_its_address_is_admitted(user: str, password: str) -> None:
    login = read_login(f"{user.replace(':', '')}x:{password}", {})
    url = httpx.URL(login.within(URL))
    assert (url.host, url.port) == ("192.0.2.9", 8484)
    assert login.admits(login.header)
    assert login.admits(basic(f"{url.username}:{url.password}"))


def test_nothing_shows_it() -> None:
    assert "pass" not in f"{LOGIN} {LOGIN!r}"


PROFILES: dict[str, tuple[str | None, str | None]] = {
    "nothing": (None, None),
    "a variable": ("OURS", "agents:pw"),
    "written as one": ("${OURS}", "agents:pw"),
}


@pytest.mark.parametrize(("named", "login"), PROFILES.values(), ids=PROFILES)
def test_a_profile_names_a_variable(named: str | None, login: str | None) -> None:
    found = login_of(Profile(proxyauth=named), {"OURS": "agents:pw"})
    assert found == (ProxyLogin(read_login(login, {}).secret) if login else None)
    assert with_login(URL, Profile(proxyauth=named), {"OURS": "agents:pw"}) == (
        "http://agents:pw@192.0.2.9:8484" if login else URL
    )


@pytest.mark.parametrize("text", ["secretword", "secretword:", ":secretword", "", "a:secretword\n", "${SHORT}"])
def test_what_is_no_login_is_an_error_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_login(text, {"SHORT": "secretword"})
    assert "secretword" not in str(error.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\$OURS is not set"):
        login_of(Profile(proxyauth="OURS"), {})
