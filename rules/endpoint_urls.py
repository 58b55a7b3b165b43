"""Where a model call goes: a provider's base URL and paths, and the variables that a person's own part is in.

An endpoint may hold `${NAME}` or `${NAME:-default}`, as the shell spells it: an account, a project, a region. What a
variable says stays in its place: as a part of a host name it cannot begin a path or name another host, as a part of a
path it cannot begin a query. The key is sent to where these URLs lead, so a value that does not fit is an error.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ringlet_mitm.rules.errors import ConfigError

DEFAULT_PORTS = {"https": 443, "http": 80}
ORIGIN = "{origin}"  # in a path: scheme and host of the endpoint, without its path

VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NAMES = re.compile(r"\$\{([A-Za-z_]\w*)", re.ASCII)
NOT_IN_URLS = re.compile(r"[\s\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a model call; `path` may hold `{model}` and `{method}`, `query` is what every call carries."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


def endpoint_of(url: str) -> Endpoint:
    """A URL taken apart."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Endpoint(parts.scheme, parts.hostname or "", port, parts.path or "/", parts.query)


def join(base: str, path: str) -> str:
    """`path` below `base`, without repeating what the base ends with (`…/v1` and `/v1/messages`).

    `{origin}/…` begins at the root of the base's host. A whole URL stays.
    """
    if path.startswith(ORIGIN):
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}{path.removeprefix(ORIGIN)}"
    if not path.startswith("/"):
        return path
    pieces = path.split("/")[1:]
    for count in range(len(pieces), 0, -1):
        overlap = "/" + "/".join(pieces[:count])
        if base.endswith(overlap):
            return base + path.removeprefix(overlap)
    return base + path


def with_scheme(override: str, endpoint: str) -> str:
    """`override`, a server's own address made whole where `endpoint` is on this machine.

    Who runs Ollama says where it listens in the variable that says where to find it: `0.0.0.0`, `:11434`, `box:8080`.
    """
    usual = urlsplit(endpoint)
    if not override or "://" in override or not is_local(usual.hostname or ""):
        return override
    try:
        said = urlsplit(f"//{override}")
        port = said.port or usual.port
    except ValueError:
        return override
    host = said.hostname if said.hostname not in (None, "0.0.0.0", "::") else usual.hostname
    return f"{usual.scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}{said.path}"


def check_url(url: str, *, insecure: bool = False, query: bool = False) -> None:
    """Raises ConfigError unless `url` is one that a key may be sent to; `query` allows what follows a `?`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("has to be a URL like https://host/v1")
    if NOT_IN_URLS.search(url):
        raise ConfigError("is not a URL: it holds a space or a backslash")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("must not hold a password; name the variable with the key in 'key-env'")
    if (parts.query and not query) or parts.fragment:
        raise ConfigError("must not have a query or fragment")
    if parts.scheme == "http" and not (insecure or is_local(host)):
        raise ConfigError(f"would send the key unencrypted to {host}; use https://, or say 'insecure = true'")


def is_local(host: str) -> bool:
    """Whether a host is this machine or on its private network: by address, or by a name that no public server has."""
    host = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))
    return address.is_loopback or address.is_private or address.is_link_local


# Where in a URL a variable stands, what it may then say, and the words for it.
PLACES = {
    "label": (
        re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"),
        "is part of a host name: letters, digits and '-' only",
    ),
    "host": (re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"), "is a host: name or name:port"),
    "path": (re.compile(r"(?!\.+$)[A-Za-z0-9._~:@+-]+"), "is part of a path: letters, digits and ._~:@+- only"),
    "url": (re.compile(r"[^\s\\]+"), "is a URL: no spaces"),
}


def fill(template: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """`template` with its variables filled in, and the names of those that are needed and not set (left as they are).

    An empty variable is one that is not set. Raises ConfigError, the variable its key, for a value that does not fit
    its place, and without a key for a template that is none.
    """
    lacking: list[str] = []
    return _filled(template, "", "", environ, lacking), tuple(dict.fromkeys(lacking))


def is_template(text: str) -> bool:
    """Whether it holds variables."""
    return "${" in text


def sample(template: str) -> str:
    """`template` with something that fits in place of each variable, to check the rest of it."""
    values = dict.fromkeys(NAMES.findall(template), "x")
    if template.startswith("${"):
        values |= dict.fromkeys(list(values)[:1], "https://x.example")
    return fill(template, values)[0]


def _filled(template: str, before: str, after: str, environ: Mapping[str, str], lacking: list[str]) -> str:
    """`before` and the filled template; `after` is what follows it where it is the default of another variable."""
    done, at = before, 0
    while (start := template.find("${", at)) >= 0:
        end = _closing(template, start)
        done += template[at:start]
        at = end + 1
        name, has_default, default = template[start + 2 : end].partition(":-")
        if not VARIABLE.fullmatch(name):
            raise ConfigError(f"'{template[start:at]}' names no variable; write ${{NAME}} or ${{NAME:-default}}")
        value = environ.get(name, "").strip()
        if value:
            _check(name, value, _place(done, template[at:] + after))
            done += value
        elif has_default:
            done = _filled(default, done, template[at:] + after, environ, lacking)
        else:
            lacking.append(name)
            done += template[start:at]
    return done + template[at:]


def _closing(template: str, start: int) -> int:
    depth = 0
    for match in re.compile(r"\$\{|\}").finditer(template, start):
        depth += 1 if match[0] == "${" else -1
        if depth == 0:
            return match.start()
    raise ConfigError("a '${' has no '}'")


def _place(before: str, rest: str) -> str:
    if not before:
        return "url"
    _, scheme_end, authority = before.partition("://")
    if not scheme_end or "/" in authority:
        return "path"
    return "host" if not authority and rest[:1] in ("", "/") else "label"


def _check(name: str, value: str, place: str) -> None:
    """The value is not shown: someone may have taken the variable for the key's."""
    allowed, words = PLACES[place]
    if not allowed.fullmatch(value):
        raise ConfigError(f"what it says does not fit: it {words}", key=name)
