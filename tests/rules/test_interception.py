"""Which hosts are decrypted, tunnelled and refused, in every spelling."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.agents import all_hosts, presets
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict, is_loopback

DECRYPT, TUNNEL, REFUSE = HostVerdict.DECRYPT, HostVerdict.TUNNEL, HostVerdict.REFUSE
EXTRA = ("*.corp.example", "LLM.Example.", "10.1.2.3", "[fd00::7]")

VERDICTS: dict[str, HostVerdict] = {
    "api.anthropic.com": DECRYPT,
    "API.Anthropic.COM": DECRYPT,
    "api.anthropic.com.": DECRYPT,
    "api.openai.com": DECRYPT,
    "chatgpt.com": DECRYPT,
    "generativelanguage.googleapis.com": DECRYPT,
    "cloudcode-pa.googleapis.com": DECRYPT,
    "api.x.ai": DECRYPT,
    "openrouter.ai": DECRYPT,
    "llm.example": DECRYPT,
    "a.corp.example": DECRYPT,
    "A.B.CORP.EXAMPLE.": DECRYPT,
    "10.1.2.3": DECRYPT,
    "fd00::7": DECRYPT,
    "[fd00::7]": DECRYPT,
    "corp.example": TUNNEL,
    "notcorp.example": TUNNEL,
    "api.anthropic.com.evil.com": TUNNEL,
    "evil-api.anthropic.com": TUNNEL,
    "x.api.anthropic.com": TUNNEL,
    "apiXanthropic.com": TUNNEL,
    "api.anthropic.co": TUNNEL,
    "github.com": TUNNEL,
    "registry.example": TUNNEL,
    "localhost.example.com": TUNNEL,
    "notlocalhost": TUNNEL,
    "128.0.0.1": TUNNEL,
    "10.0.0.1": TUNNEL,
    "::2": TUNNEL,
    "::ffff:8.8.8.8": TUNNEL,
    "": TUNNEL,
    "a" * 300: TUNNEL,
    "a..b": TUNNEL,
    "nul\0l": TUNNEL,
    "\udcff": TUNNEL,
    "localhost": REFUSE,
    "LOCALHOST": REFUSE,
    "localhost.": REFUSE,
    "dev.localhost": REFUSE,
    "localhost.localdomain": REFUSE,
    "ip6-localhost": REFUSE,
    "127.0.0.1": REFUSE,
    "127.0.0.1.": REFUSE,
    "127.1": REFUSE,
    "127.255.255.254": REFUSE,
    "0x7f000001": REFUSE,
    "0x7F.1": REFUSE,
    "0177.0.0.1": REFUSE,
    "017700000001": REFUSE,
    "2130706433": REFUSE,
    "0": REFUSE,
    "0.0.0.0": REFUSE,
    "::": REFUSE,
    "[::]": REFUSE,
    "::1": REFUSE,
    "[::1]": REFUSE,
    "0:0:0:0:0:0:0:1": REFUSE,
    "::1%lo": REFUSE,
    "::ffff:127.0.0.1": REFUSE,
    "[::ffff:7f00:1]": REFUSE,
    "::ffff:0.0.0.0": REFUSE,
    "127。0。0。1": REFUSE,
    "１２７.1": REFUSE,
    "ⓛocalhost。": REFUSE,
}


@pytest.fixture(scope="module")
def policy() -> HostPolicy:
    return HostPolicy.of(presets(), EXTRA)


@pytest.mark.parametrize(("host", "verdict"), VERDICTS.items(), ids=map(ascii, VERDICTS))
def test_verdicts(policy: HostPolicy, host: str, verdict: HostVerdict) -> None:
    assert policy.verdict(host, 443) is verdict


@pytest.mark.parametrize(("host", "verdict"), VERDICTS.items(), ids=map(ascii, VERDICTS))
def test_patterns_say_the_same_as_the_verdict(policy: HostPolicy, host: str, verdict: HostVerdict) -> None:
    """mitmproxy decides by them, ignoring case; addresses come without brackets."""
    name = host.strip("[]")
    matched = any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in policy.patterns())
    assert matched is (verdict is DECRYPT)


def test_every_agents_hosts_are_decrypted(policy: HostPolicy) -> None:
    hosts = all_hosts(presets())
    assert {host for host in hosts if policy.verdict(host, 443) is DECRYPT} == hosts


def test_a_loopback_host_that_a_profile_names_is_wanted() -> None:
    policy = HostPolicy.of(presets(), ["127.0.0.1"])
    assert (policy.verdict("127.0.0.1", 8000), policy.verdict("127.0.0.2", 8000)) == (DECRYPT, REFUSE)


PORTS: dict[str, tuple[int, HostVerdict]] = {
    "127.0.0.1": (9000, DECRYPT),
    "127.0.0.1.": (9000, DECRYPT),
    "127.0.0.1 elsewhere": (9001, REFUSE),
    "127.0.0.2": (9000, REFUSE),
    "localhost": (9000, REFUSE),
    "::1": (9002, DECRYPT),
    "[::1]": (9000, REFUSE),
    "dev.localhost": (9003, DECRYPT),
    "api.anthropic.com": (9000, DECRYPT),
}


@pytest.mark.parametrize(("host", "port", "verdict"), [(host, *row) for host, row in PORTS.items()], ids=PORTS)
def test_a_loopback_host_with_a_port_is_wanted_there_alone(host: str, port: int, verdict: HostVerdict) -> None:
    policy = HostPolicy.of(presets(), ["127.0.0.1:9000", "[::1]:9002", "dev.localhost:9003"])
    assert policy.verdict(host.partition(" ")[0], port) is verdict


def test_the_authority_gets_hosts_without_ports() -> None:
    assert HostPolicy.of((), ["127.0.0.1:9000", "[::1]:9002"]).hosts == {"127.0.0.1", "::1"}


NOT_HOSTS = [
    "127.0.0.1:0",
    "127.0.0.1:70000",
    "localhost:",
    "",
    "*",
    "*.",
    "https://api.example.com",
    "api.example.com/v1",
    "api.example.com:8443",
    "face:8443",
    "two words",
    "-x.example",
    "a.*.example",
    "ä.example",
    "::g",
]


@pytest.mark.parametrize("host", NOT_HOSTS)
def test_what_cannot_be_a_host_is_an_error(host: str) -> None:
    with pytest.raises(ConfigError, match="is not a host name"):
        HostPolicy.of((), [host])


@pytest.mark.parametrize(
    "host", [" api.example.com\n", "API.example.com.", "*.Example.com", "_srv.example", "xn--bcher-kva.example", "::1"]
)
def test_what_can(host: str) -> None:
    assert HostPolicy.of((), [host]).hosts == {host.strip().rstrip(".").lower()}


@given(st.integers(0, 2**24 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}", "127.{}"]))
def test_all_of_127_in_every_notation(low: int, notation: str) -> None:
    assert is_loopback(notation.format(low if notation.startswith("127") else 0x7F000000 + low))


@given(st.text())
def test_no_text_breaks_it(host: str) -> None:
    assert HostPolicy.of(presets(), EXTRA).verdict(host, 0) in HostVerdict
