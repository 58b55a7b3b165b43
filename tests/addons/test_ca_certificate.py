"""What a certificate with constraints is good for, as OpenSSL sees it; other stacks are in whole/test_certificates."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.ca_certificate import LIFE, RENEWED_WITHIN, SKEW, Permitted, in_time, new_key, self_signed
from ringlet_mitm.addons.leaves import leaf_certificate

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
ANTHROPIC = ("api.anthropic.com",)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABEL, min_size=1, max_size=4).map(".".join) | st.ip_addresses().map(str)


def general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def why_refused(hosts: Iterable[str], names: Iterable[str], asked: str, folder: Path) -> str:
    """What OpenSSL says of a server with these names, signed by an authority for these hosts; "" if it believes it."""
    key, leaf_key = new_key(), new_key()
    ca = self_signed(key, Permitted.of(hosts), NOW)
    leaf = leaf_certificate(tuple(map(general, names)), leaf_key.public_key(), ca, key)
    chain = folder / "chain.pem"
    chain.write_bytes(pem(leaf_key) + leaf.public_bytes(serialization.Encoding.PEM))
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server_side.load_cert_chain(chain)
    client_side.load_verify_locations(cadata=ca.public_bytes(serialization.Encoding.PEM).decode())
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python from 3.13 on does by itself
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(back, there, server_hostname=asked)
    server = server_side.wrap_bio(there, back, server_side=True)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("hosts", "names", "asked"),
    [
        pytest.param(ANTHROPIC, ANTHROPIC, "api.anthropic.com", id="the host itself"),
        pytest.param(("*.example.com",), ("a.b.example.com",), "a.b.example.com", id="below a wildcard"),
        pytest.param(("under_score.example.com",), ("under_score.example.com",), "under_score.example.com", id="_"),
        pytest.param(("10.1.2.3",), ("10.1.2.3",), "10.1.2.3", id="an address"),
        pytest.param(("fd00::7",), ("fd00::7",), "fd00::7", id="an address of version 6"),
        pytest.param(("10.1.2.3", "fd00::7"), ("fd00::7", "10.1.2.3"), "10.1.2.3", id="addresses of both versions"),
        pytest.param(("a..b", "-.example", *ANTHROPIC), ANTHROPIC, "api.anthropic.com", id="beside what is no name"),
    ],
)
def test_who_is_permitted_is_believed(
    hosts: tuple[str, ...], names: tuple[str, ...], asked: str, tmp_path: Path
) -> None:
    assert why_refused(hosts, names, asked, tmp_path) == ""


@pytest.mark.parametrize(
    ("hosts", "names", "asked"),
    [
        pytest.param(ANTHROPIC, ("github.com",), "github.com", id="another host"),
        pytest.param(ANTHROPIC, ("anthropic.com",), "anthropic.com", id="the domain above"),
        pytest.param(ANTHROPIC, ("xapi.anthropic.com",), "xapi.anthropic.com", id="a longer label"),
        pytest.param(ANTHROPIC, ("*.anthropic.com",), "api.anthropic.com", id="a wildcard that holds more"),
        pytest.param(ANTHROPIC, ("api.anthropic.com", "github.com"), "api.anthropic.com", id="one more name"),
        pytest.param(ANTHROPIC, ("10.1.2.3",), "10.1.2.3", id="an address where none is permitted"),
        pytest.param(ANTHROPIC, ("fd00::7",), "fd00::7", id="an address of version 6 where none is"),
        pytest.param(("10.1.2.3",), ("10.1.2.4",), "10.1.2.4", id="the next address"),
        pytest.param(("10.1.2.3",), ("fd00::7",), "fd00::7", id="an address of the other version"),
        pytest.param(("10.1.2.3",), ("github.com",), "github.com", id="a name where only an address is"),
        pytest.param((), ("github.com",), "github.com", id="a name where nobody is"),
        pytest.param(ANTHROPIC, ("api.anthropic.com", "you@anthropic.com"), "api.anthropic.com", id="a mailbox"),
    ],
)
def test_nobody_else_is(hosts: tuple[str, ...], names: tuple[str, ...], asked: str, tmp_path: Path) -> None:
    assert "subtree violation" in why_refused(hosts, names, asked, tmp_path)


def test_it_is_no_signer_of_authorities_programs_or_mail() -> None:
    made = self_signed(new_key(), Permitted.of(ANTHROPIC), NOW).extensions
    basic = made.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert list(made.get_extension_for_class(x509.ExtendedKeyUsage).value) == [x509.OID_SERVER_AUTH]
    assert made.get_extension_for_class(x509.NameConstraints).critical


@given(st.sets(HOSTS, max_size=8), st.sets(HOSTS, max_size=8))
def test_what_is_permitted_can_be_read_from_the_certificate(some: set[str], more: set[str]) -> None:
    permitted = Permitted.of(some)
    assert Permitted.by(self_signed(KEY, permitted, NOW)) == permitted
    both = permitted | Permitted.of(more)
    assert both == Permitted.of(some | more)
    assert both.covers(permitted)
    assert both.covers(Permitted.of(more))


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (("*.example.com",), ("api.example.com",), True),
        (("example.com",), ("*.example.com",), True),
        (("api.example.com",), ("example.com",), False),
        (("10.1.2.3",), ("10.1.2.3",), True),
        (("10.1.2.3",), ("10.1.2.4",), False),
        (("example.com",), ("10.1.2.3",), False),
        (("fd00::7%eth0",), ("fd00::7",), True),
    ],
)
def test_who_covers_whom(wide: tuple[str, ...], narrow: tuple[str, ...], covered: bool) -> None:
    assert Permitted.of(wide).covers(Permitted.of(narrow)) is covered


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        pytest.param(NOW, True, id="just made"),
        pytest.param(NOW - SKEW, True, id="a clock two days behind"),
        pytest.param(NOW - SKEW - datetime.timedelta(seconds=1), False, id="made while the clock was ahead"),
        pytest.param(NOW + LIFE - RENEWED_WITHIN - datetime.timedelta(seconds=1), True, id="a year and a second left"),
        pytest.param(NOW + LIFE - RENEWED_WITHIN, False, id="a year left"),
        pytest.param(NOW + LIFE, False, id="expired"),
    ],
)
def test_when_it_holds(when: datetime.datetime, holds: bool) -> None:
    assert in_time(self_signed(KEY, Permitted.of(ANTHROPIC), NOW), when) is holds


def test_a_key_has_one_name_and_another_key_another() -> None:
    names = [self_signed(key, Permitted.of(ANTHROPIC), NOW).subject for key in (KEY, KEY, new_key())]
    assert names[0] == names[1] != names[2]


KEY = new_key()
