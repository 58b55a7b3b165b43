"""Which hosts are looked into: where agents *send*, not where we send. Everything else stays encrypted, or is refused.

Loopback is refused because a request through the proxy comes from this machine: it would get past what protects
mitmweb's interface and other local servers from web pages. An agent's own loopback servers are reached around the
proxy (NO_PROXY). A profile can name one of them, `127.0.0.1:8000`; then that port and no other may be reached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from ringlet_mitm.rules.agents import AgentPreset, all_hosts
from ringlet_mitm.rules.errors import ConfigError

HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
WITH_PORT = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d{1,5})")
# What Linux distributions write into /etc/hosts for 127.0.0.1 and ::1.
LOOPBACK_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}
)


class HostVerdict(Enum):
    """What happens to a connection."""

    DECRYPT = "decrypt"
    TUNNEL = "tunnel"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The hosts to decrypt; `*.example.com` covers every name below example.com.

    `ports` are the loopback hosts that a profile names with a port, which is the only one of theirs to be reached.
    """

    hosts: frozenset[str]
    ports: frozenset[tuple[str, int]] = frozenset()
    _suffixes: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        suffixes = tuple(sorted(host[1:] for host in self.hosts if host.startswith("*.")))
        object.__setattr__(self, "_suffixes", suffixes)

    @classmethod
    def of(cls, presets: Iterable[AgentPreset], extra: Iterable[str] = ()) -> HostPolicy:
        """The agents' hosts and a profile's own; raises ConfigError for what cannot be a host's name."""
        named = [_checked(host) for host in extra]
        ports = frozenset((host, port) for host, port in named if port is not None)
        return cls(all_hosts(presets) | {host for host, _ in named}, ports)

    def verdict(self, host: str, port: int) -> HostVerdict:
        """What to do with a connection to `host`; a profile that names a loopback host wants it."""
        name = host.strip("[]").rstrip(".").lower()
        if self.ports and name in {host for host, _ in self.ports}:
            return HostVerdict.DECRYPT if (name, port) in self.ports else HostVerdict.REFUSE
        if name in self.hosts or (self._suffixes and name.endswith(self._suffixes)):
            return HostVerdict.DECRYPT
        return HostVerdict.REFUSE if is_loopback(name) else HostVerdict.TUNNEL

    def patterns(self) -> tuple[str, ...]:
        """Regular expressions for the hosts to decrypt, each for a whole name; case is to be ignored."""
        return tuple(_pattern(host) for host in sorted(self.hosts))


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, in any spelling that a resolver takes.

    127.1, 0x7f000001 and 2130706433 are 127.0.0.1, and so is what Unicode takes for the same letters and dots
    (１２７。1), since a name is brought into ASCII before it is looked up. Nothing is resolved here, so a name of
    the world that leads to loopback is not seen.
    """
    with suppress(UnicodeError):  # of a name that nobody resolves
        host = host.encode("idna").decode("ascii").rstrip(".").lower()
    if host in LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_address(host: str) -> bool:
    """Whether a connection's target is an address, not a name; in its usual spellings."""
    return _address(host.strip("[]").rstrip(".")) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        number = _as_number(host)
        return None if number is None else ipaddress.IPv4Address(number)
    return getattr(address, "ipv4_mapped", None) or address


def _as_number(host: str) -> int | None:
    """An IPv4 address in the older forms that resolvers still take: one to four numbers, also octal or hexadecimal."""
    *bytes_, last = host.split(".")
    try:
        values = [_whole_number(part) for part in (*bytes_, last)]
    except ValueError:
        return None
    left = 4 - len(bytes_)
    if left < 1 or any(not 0 <= value < 256 for value in values[:-1]) or not 0 <= values[-1] < 256**left:
        return None
    return sum(value << 8 * (3 - place) for place, value in enumerate(values[:-1])) + values[-1]


def _whole_number(text: str) -> int:
    if not text.isascii() or not text[:1].isdigit() or "_" in text:
        raise ValueError(text)
    return int(text, 0 if text.startswith("0x") else 8 if text.startswith("0") else 10)


def _checked(host: str) -> tuple[str, int | None]:
    """A host of a profile, and the port if it is a loopback host with one."""
    found = WITH_PORT.fullmatch(host.strip())
    if found and is_loopback(found["host"].strip("[]")) and 0 < int(found["port"]) < 65536:
        return _name(found["host"], host), int(found["port"])
    return _name(host, host), None


def _name(written: str, host: str) -> str:
    name = written.strip().strip("[]").rstrip(".").lower()
    if HOST.fullmatch(name) is None and not (":" in name and _address(name)):
        raise ConfigError(f"intercept: '{host}' is not a host name; write it as api.example.com or *.example.com")
    return name


def _pattern(host: str) -> str:
    return rf"[^:]+{re.escape(host[1:])}\.?" if host.startswith("*.") else rf"{re.escape(host)}\.?"
