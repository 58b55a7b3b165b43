"""What lets a client into a proxy that others can reach: user and password, as `Proxy-Authorization: Basic` has them.

It is named, not written, in a profile: `proxyauth = "MY_PROXY_LOGIN"` means the variable that holds `user:password`.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.rules.errors import ConfigError

if TYPE_CHECKING:
    from ringlet_mitm.rules.profiles import Profile  # 0.1 s, and not for whoever asks for nothing

VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ProxyLogin:
    """Who may use the proxy; its text shows neither of the two."""

    secret: Secret

    def admits(self, header: str) -> bool:
        """Whether a header's value says the right user and password; takes as long for any wrong one."""
        scheme, _, encoded = header.strip().partition(" ")
        try:
            given = b64decode(encoded.strip(), validate=True)
        except (NoBase64, ValueError):
            given = b""
        right = secrets.compare_digest(given, self.secret.reveal().encode())
        return right and scheme.lower() == "basic"

    @property
    def header(self) -> str:
        """The value of `Proxy-Authorization`, for our own programs."""
        return "Basic " + b64encode(self.secret.reveal().encode()).decode()

    def within(self, url: str) -> str:
        """The proxy's address for agents, with user and password in it: `http://user:password@host:port`."""
        user, _, password = self.secret.reveal().partition(":")
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def read_login(text: str, environ: Mapping[str, str]) -> ProxyLogin:
    """`USER:PASSWORD`, or `${VARIABLE}` that holds it; raises ConfigError, which repeats no part of it."""
    named = VARIABLE.fullmatch(text)
    if named is not None:
        return _of_variable(named[1], environ)
    return _login(text, "--proxyauth")


def login_of(profile: Profile, environ: Mapping[str, str]) -> ProxyLogin | None:
    """What the profile's proxy asks for, None for nothing; raises ConfigError where its variable has no login."""
    return _of_variable(profile.proxyauth.strip("${}"), environ) if profile.proxyauth else None


def with_login(url: str, profile: Profile, environ: Mapping[str, str]) -> str:
    """The proxy's address for agents, with the profile's login in it if there is one."""
    login = login_of(profile, environ)
    return login.within(url) if login else url


def _of_variable(name: str, environ: Mapping[str, str]) -> ProxyLogin:
    if not environ.get(name):
        raise ConfigError(f"proxyauth: ${name} is not set; it has to hold USER:PASSWORD")
    return _login(environ[name], f"${name}")


def _login(text: str, place: str) -> ProxyLogin:
    user, colon, password = text.partition(":")
    if not (user and colon and password) or not text.isprintable():
        raise ConfigError(f"proxyauth: {place} has to be USER:PASSWORD, or '${{VARIABLE}}' that holds it")
    return ProxyLogin(Secret(text, place))
